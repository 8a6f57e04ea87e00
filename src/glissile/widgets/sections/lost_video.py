"""What the header shows of an experiment whose video is not where it was: the way to find it."""

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton, QVBoxLayout, QWidget

from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.progress import Step, Steps
from glissile.widgets._bench import Bench
from glissile.widgets.sections.section import words


class LostVideo(QWidget):  # type: ignore[misc]  # qtpy brings no types
    """Names the missing video and asks where it lies now; hidden as long as none is missed.

    Parameters
    ----------
    bench : Bench
        Opens the experiment once its video is found.
    videos : str
        Filter of the file dialog.
    """

    def __init__(self, bench: Bench, videos: str) -> None:
        super().__init__()
        self._bench, self._videos = bench, videos
        self._folder: Path | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        self.message = words("")
        self.message.setStyleSheet("color: #d55e00; font-weight: bold;")
        self.find = QPushButton("Find the video…")
        self.find.setProperty("next", True)
        menu = QMenu(self.find)
        menu.addAction("Video file…", self._ask_file)
        menu.addAction("Folder of frames…", self._ask_frames)
        self.find.setMenu(menu)
        layout.addWidget(self.message)
        layout.addWidget(self.find)
        bench.study_changed.connect(lambda: self.miss(None))
        bench.facts_changed.connect(lambda: self.find.setEnabled(bench.state.running is None))
        # The state outlives this widget.
        refused = bench.state.experiment_refused
        refused.connect(self.miss)
        self.destroyed.connect(lambda: refused.disconnect(self.miss))
        self.miss(None)

    def miss(self, folder: Path | None) -> bool:
        """Tell whether the video of the experiment in `folder` is missing; if so, ask for it."""
        problem = None if folder is None else _problem(folder)
        self._folder = folder
        self.message.setText(problem or "")
        self.setVisible(problem is not None)
        return problem is not None

    def take(self, video: Path) -> None:
        """Write down that the video is now `video`, and open its experiment."""
        folder = self._folder
        assert folder is not None
        self._bench.runner.run(
            "opening",
            lambda: _relocated(folder, video),
            description=f"Looking at {video.name}",
            on_done=self._bench.open_folder,
        )

    def _ask_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Where is the video now?", "", self._videos)
        if name:
            self.take(Path(name))

    def _ask_frames(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Where is the folder of frames now?")
        if name:
            self.take(Path(name))


def _problem(folder: Path) -> str | None:
    """Say where the video of the experiment in `folder` is missed; None where it is not."""
    try:
        experiment = Experiment.open(folder, read_only=True)
    except InputError:  # opening it tells why
        return None
    try:
        experiment.source_path()
    except InputError:
        return f"The video of {folder.name} is no longer at {experiment.document.source.path}"
    return None


def _relocated(folder: Path, video: Path) -> Steps[Path]:
    """Refer to the video at its new place, if it is the same; the result is `folder`."""
    yield Step(0, 1, f"Comparing {video.name} with the video of {folder.name}")
    with Experiment.open(folder) as experiment:
        experiment.relocate_source(video)
    return folder
