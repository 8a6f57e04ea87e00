import pytest

from glissile.experiment import Experiment, Source


@pytest.fixture
def video_file(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(bytes(range(256)) * 40)
    return path


@pytest.fixture
def source(video_file):
    return Source.of(video_file, frames=20, height=12, width=16)


@pytest.fixture
def experiment(tmp_path, source):
    with Experiment.create(tmp_path / "study", source=source) as opened:
        yield opened
