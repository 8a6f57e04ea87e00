"""Section 5: the trained network goes over all frames."""

from glissile import workflow
from glissile.progress import Step
from glissile.segment.settings import SegmentSettings
from glissile.widgets import _jobs
from glissile.widgets._bench import Bench
from glissile.widgets._form import SettingsForm
from glissile.widgets._worker import in_child_process
from glissile.widgets.sections.probability_view import ProbabilityView
from glissile.widgets.sections.section import Section


class SegmentSection(Section):
    """Masks of all frames, in the Segmentation layer and as curves, as they come."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(
            5,
            "Segment",
            "The network finds the defects in every frame; masks and curves appear as they come. What is "
            "done stays when you cancel.",
        )
        self._bench = bench
        self._begun = False
        self.form = SettingsForm(SegmentSettings)
        self.settings_layout.addWidget(self.form)
        self.view = ProbabilityView(bench)
        self.results.addWidget(self.view)
        bench.study_changed.connect(self.study_changed)

    def study_changed(self) -> None:
        """Show the settings of the study."""
        study = self._bench.study
        if study is not None:
            self.form.set_value(study.experiment.settings("segment", SegmentSettings))

    def start(self) -> None:
        """Segment the frames that are not segmented yet."""
        study = self._bench.study
        assert study is not None
        experiment = study.experiment
        experiment.save_settings("segment", self.form.value())
        self._begun = False
        masks = in_child_process(workflow.predicted, experiment.folder)
        self._bench.runner.run(
            "segment",
            _jobs.measured_while_stored(experiment, study.video, masks),
            description="Segmenting",
            on_step=self._take_step,
            on_done=lambda frames: None,
        )
        self.message.setText("Starting: loading the network")

    def _take_step(self, step: Step) -> None:
        if not self._begun:
            self._begun = True
            self._bench.begin_segmentation()
        self._bench.add_segmented(step)
