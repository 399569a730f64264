from encas.runtime.engines import EnginePlan, engine_key


def test_plan_has_a_profile_for_each_bucket_that_meets_the_next(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    plan = EnginePlan(input_name="input", input_shape=(3, 8, 8), buckets=(1, 2, 4), key="abc")
    assert plan.provider_options() == {
        "trt_profile_min_shapes": "input:1x3x8x8,input:2x3x8x8,input:3x3x8x8",
        "trt_profile_opt_shapes": "input:1x3x8x8,input:2x3x8x8,input:4x3x8x8",
        "trt_profile_max_shapes": "input:1x3x8x8,input:2x3x8x8,input:4x3x8x8",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": "/cache/encas/tensorrt/abc",
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": "/cache/encas/tensorrt",
    }


def test_engine_key_tells_every_part_apart():
    keys = {engine_key("model", "1.20", "GPU"), engine_key("model", "1.21", "GPU")}
    keys |= {engine_key("model", "1.20GPU"), engine_key("model", "1.20", "GPU", "")}
    assert len(keys) == 4
