"""Two spirals, told apart by a network of two hidden layers; PyTorch on the GPU, or NumPy where there is neither.

Goes on from checkpoint.npz where that is there. Writes checkpoint.npz and metrics.csv after each epoch; ends with 1 if the
network is not good in the end.
"""

import csv
import os
import sys
from pathlib import Path

import numpy as np

try:
    import torch
except ImportError:
    torch = None

EPOCHS, BATCH, RATE, WIDTHS = int(os.environ.get("EPOCHS", "40")), 64, 0.1, (2, 64, 64, 2)


def spirals(count, seed):
    """Points of two spirals that turn about each other, and which of them each is on."""
    dice = np.random.default_rng(seed)
    label = dice.integers(0, 2, count)
    turn = np.sqrt(dice.random(count)) * 2 * np.pi
    points = np.stack([turn * np.cos(turn + np.pi * label), turn * np.sin(turn + np.pi * label)], axis=1)
    return ((points + dice.normal(0, 0.1, points.shape)) / np.pi).astype(np.float32), label


def fresh():
    """Weights and biases, layer by layer, as they are before any training."""
    dice = np.random.default_rng(0)
    pairs = zip(WIDTHS, WIDTHS[1:])
    return [w for n, m in pairs for w in (dice.normal(0, (2 / n) ** 0.5, (n, m)).astype(np.float32), np.zeros(m, np.float32))]


class WithNumpy:
    """Stochastic gradient descent by hand."""

    device = "cpu (NumPy)"

    def __init__(self, weights):
        self.weights = weights

    def step(self, points, label):
        """One step down; answers the loss."""
        layers = self.layers(points)
        share = np.exp(layers[-1] - layers[-1].max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        rows = np.arange(len(label))
        loss = -np.log(share[rows, label] + 1e-12).mean()
        share[rows, label] -= 1
        slope = share / len(label)
        for i in range(len(self.weights) - 2, -1, -2):
            before = layers[i // 2]
            back = (slope @ self.weights[i].T) * (before > 0)
            self.weights[i] -= RATE * before.T @ slope
            self.weights[i + 1] -= RATE * slope.sum(axis=0)
            slope = back
        return float(loss)

    def layers(self, points):
        """What goes into each layer, and what comes out of the last."""
        found = [points]
        for i in range(0, len(self.weights), 2):
            out = found[-1] @ self.weights[i] + self.weights[i + 1]
            found.append(out if i + 2 == len(self.weights) else np.maximum(out, 0))
        return found

    def accuracy(self, points, label):
        return float((self.layers(points)[-1].argmax(axis=1) == label).mean())

    def numbers(self):
        return self.weights


class WithTorch:
    """The same by PyTorch."""

    def __init__(self, weights):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tensors = [torch.tensor(w, device=self.device, requires_grad=True) for w in weights]
        self.descent = torch.optim.SGD(self.tensors, lr=RATE)

    def out(self, points):
        x = torch.as_tensor(points, device=self.device)
        for i in range(0, len(self.tensors), 2):
            x = x @ self.tensors[i] + self.tensors[i + 1]
            x = x if i + 2 == len(self.tensors) else torch.relu(x)
        return x

    def step(self, points, label):
        loss = torch.nn.functional.cross_entropy(self.out(points), torch.as_tensor(label, device=self.device))
        self.descent.zero_grad()
        loss.backward()
        self.descent.step()
        return loss.item()

    def accuracy(self, points, label):
        with torch.no_grad():
            return float((self.out(points).argmax(dim=1).cpu().numpy() == label).mean())

    def numbers(self):
        return [tensor.detach().cpu().numpy() for tensor in self.tensors]


def replace(name, write):
    """First beside it, then in its place: a node that is taken away in the middle leaves the one before."""
    with open(f".{name}.new", "w+b") as stream:
        write(stream)
    os.replace(f".{name}.new", name)


weights, done, history = fresh(), 0, []
if Path("checkpoint.npz").exists():
    with np.load("checkpoint.npz") as kept:
        done, history = int(kept["done"]), kept["history"].tolist()
        weights = [kept[f"w{i}"] for i in range(len(weights))]
    print(f"goes on after epoch {done}", flush=True)
model = (WithTorch if torch else WithNumpy)(weights)
if torch and model.device == "cpu" and os.environ.get("BURST_TARGET", "local") not in ("local", "nspawn"):
    sys.exit("PyTorch sees no GPU: does its CUDA fit the driver?")
print(f"on {model.device}", flush=True)

points, label = spirals(4096, seed=1)
unseen, truth = spirals(1024, seed=2)
for epoch in range(done, EPOCHS):
    # By the epoch's number: what a run that was interrupted shuffles is what it would have shuffled.
    order = np.random.default_rng(epoch).permutation(len(points))
    parts = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    loss = sum(model.step(points[part], label[part]) for part in parts) / len(parts)
    history.append([epoch + 1, loss, model.accuracy(unseen, truth)])
    named = {f"w{i}": w for i, w in enumerate(model.numbers())}
    replace("checkpoint.npz", lambda stream: np.savez(stream, done=epoch + 1, history=history, **named))
    print(f"epoch {epoch + 1}: loss {loss:.4f}, accuracy {history[-1][2]:.4f}", flush=True)

with open("metrics.csv", "w", newline="") as stream:
    table = csv.writer(stream)
    table.writerow(["epoch", "loss", "accuracy"])
    table.writerows([int(epoch), f"{loss:.5f}", f"{accuracy:.5f}"] for epoch, loss, accuracy in history)
# The spirals are apart: a network that learned tells nearly all points, one that did not half of them.
sys.exit(0 if history[-1][2] > 0.95 else f"accuracy {history[-1][2]:.3f}: it did not learn")
