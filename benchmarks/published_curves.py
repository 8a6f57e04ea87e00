"""Area fractions of a finished experiment beside those published for the same video.

    python benchmarks/published_curves.py study.glissile published_area.csv --first 1 --step 10 --figure F.png

Prints, for each class, the correlation of the two curves and their means, and the same against the hand
labels of the labelled frames; draws the curves above one another.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glissile import workflow
from glissile.experiment import Experiment
from glissile.label import annotations
from glissile.quantify.measure import fraction_column, read_table


def labelled_fractions(experiment: Experiment, value: int) -> pd.Series:
    """Area fraction of one class in the hand labels, in the working field of view, by frame number."""
    video = workflow.working_video(experiment)
    store = experiment.labels_or_none()
    indices = annotations.labelled_indices(store, video)
    fractions = [float(np.mean(annotations.read_label(store, video, i) == value)) for i in indices]
    return pd.Series(fractions, index=video.frame_numbers[list(indices)])


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Pearson's r; NaN where one curve is constant."""
    return float(np.corrcoef(a, b)[0, 1]) if np.std(a) and np.std(b) else float("nan")


def main() -> None:
    """Compare, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("experiment", type=Path)
    parser.add_argument("published", type=Path, help="CSV: frame, then one fraction column per class")
    parser.add_argument("--first", type=int, default=0, help="published number of the first frame")
    parser.add_argument("--step", type=int, default=1, help="published numbers per frame")
    parser.add_argument("--figure", type=Path, required=True)
    given = parser.parse_args()
    published = pd.read_csv(given.published).set_index("frame")
    figure = Figure(figsize=(7, 3), layout="constrained")
    FigureCanvasAgg(figure)
    with Experiment.open(given.experiment, read_only=True) as experiment:
        table = read_table(experiment.measurements_path).set_index("frame")
        classes = experiment.document.classes
        axes = figure.subplots(1, len(classes))
        print(
            f"{'class':16}{'r published':>12}{'r labels':>10}{'mean ours':>11}{'published':>11}{'labels':>11}"
        )
        for axis, defect in zip(axes, classes, strict=True):
            numbers = given.first + given.step * table.index
            both = table.index[numbers.isin(published.index)]
            ours = table.loc[both, fraction_column(defect)].to_numpy()
            theirs = published.loc[given.first + given.step * both, f"{defect.key}_fraction"].to_numpy()
            hand = labelled_fractions(experiment, defect.value)
            beside = table.loc[hand.index, fraction_column(defect)].to_numpy()
            r = f"{correlation(ours, theirs):12.3f}{correlation(beside, hand.to_numpy()):10.3f}"
            means = "".join(f"{100 * mean:10.2f}%" for mean in (ours.mean(), theirs.mean(), hand.mean()))
            print(f"{defect.name:16}{r}{means}")
            strain = table["strain"]
            axis.plot(strain[both], 100 * theirs, color="0.6", lw=1, label="published (Tanaka et al. 2025)")
            axis.plot(
                strain, 100 * table[fraction_column(defect)], color=defect.color, lw=1.2, label="this run"
            )
            axis.plot(strain[hand.index], 100 * hand, "k.", ms=3, label="hand labels")
            axis.set(title=defect.name, xlabel="strain", ylabel="area fraction (%)", ylim=(0, None))
            axis.legend(fontsize=7, frameon=False)
    figure.savefig(given.figure, dpi=150)


if __name__ == "__main__":
    main()
