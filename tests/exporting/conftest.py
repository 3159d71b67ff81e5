"""What all tests of exporting share."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def quick_onnx():
    """The exporter's table of operators is made once, and not for every model: it takes longer than most of them."""
    from torch.onnx._internal.exporter import _registration

    made = _registration.ONNXRegistry.from_torchlib()
    patch = pytest.MonkeyPatch()
    patch.setattr(_registration.ONNXRegistry, "from_torchlib", classmethod(lambda *_, **__: made))
    yield
    patch.undo()
