"""Find a support vector machine's two parameters by cross-validation; keep the best one, trained on all of the part."""

import json
import os
from pathlib import Path

import joblib
from digits import split
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

GRID = {"C": [0.1, 1, 10], "gamma": [0.03, 0.1, 0.3, 1]}

train, labels, _, _ = split()
# As many processes as Slurm gave, which on a shared node is not what the machine has.
search = GridSearchCV(SVC(), GRID, cv=5, n_jobs=int(os.environ["SLURM_CPUS_PER_TASK"]))
search.fit(train, labels)

scores = search.cv_results_
grid = [
    {**parameters, "mean": round(mean, 4), "std": round(std, 4)}
    for parameters, mean, std in zip(scores["params"], scores["mean_test_score"], scores["std_test_score"])
]
Path("grid.json").write_text(json.dumps({"best": search.best_params_, "folds": 5, "grid": grid}, indent=2) + "\n")
joblib.dump(search.best_estimator_, "model.joblib")
print(f"best of {len(grid)}: {search.best_params_}, {search.best_score_:.4f} by cross-validation")
