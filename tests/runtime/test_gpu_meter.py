import pytest

from encas.runtime.gpu_meter import NoMeter, meter_of


class NvmlError(Exception):
    pass


class FakeNvml:
    """NVML with one GPU that tells what it is given."""

    NVMLError = NvmlError
    NVML_CLOCK_SM = 1

    def __init__(self, *, mhz=1410, millijoules=5000, n_gpus=1):
        self.mhz, self.millijoules, self.n_gpus = mhz, millijoules, n_gpus

    def nvmlInit(self):
        if not self.n_gpus:
            raise NvmlError("no driver")

    def nvmlDeviceGetHandleByIndex(self, index):
        if index >= self.n_gpus:
            raise NvmlError("no such GPU")
        return index

    def nvmlDeviceGetClockInfo(self, _handle, kind):
        assert kind == self.NVML_CLOCK_SM
        return self.mhz

    def nvmlDeviceGetTotalEnergyConsumption(self, _handle):
        if self.millijoules is None:
            raise NvmlError("not supported")
        return self.millijoules


@pytest.mark.parametrize("device", ["cuda:0", "tensorrt:0", "cuda"])
def test_meter_of_a_gpu_tells_clock_and_energy(device):
    meter = meter_of(device, FakeNvml())
    assert (meter.sm_clock_mhz(), meter.energy_mj()) == (1410, 5000)


def test_meter_of_a_gpu_that_does_not_tell_gives_none():
    meter = meter_of("cuda:0", FakeNvml(millijoules=None))
    assert (meter.sm_clock_mhz(), meter.energy_mj()) == (1410, None)


@pytest.mark.parametrize(
    ("device", "nvml"),
    [
        ("cpu", FakeNvml()),
        ("none", FakeNvml()),
        ("cuda:0", None),
        ("cuda:1", FakeNvml()),
        ("cuda:0", FakeNvml(n_gpus=0)),
    ],
)
def test_meter_of_what_cannot_be_asked_tells_nothing(device, nvml):
    meter = meter_of(device, nvml)
    assert isinstance(meter, NoMeter)
    assert (meter.sm_clock_mhz(), meter.energy_mj()) == (None, None)
