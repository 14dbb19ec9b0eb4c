"""The data of both jobs: 1797 hand-written digits of 8 × 8 pixels, which come with scikit-learn."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def split():
    """Pixels and labels to train on, pixels and labels to judge by: three quarters, one quarter.

    The same split in every job: the seed is fixed. Each digit has its share in both parts.
    """
    pixels, labels = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(
        pixels / 16, labels, test_size=0.25, random_state=0, stratify=labels
    )
    return train, train_labels, test, test_labels
