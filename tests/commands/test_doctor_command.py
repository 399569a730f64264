def test_doctor_tells_devices_and_extras(encas):
    content = encas("doctor", "--json").json
    assert content["devices"][0] == {"device": "cpu", "works": True, "reason": ""}
    assert {"encas", "python", "system"} <= set(content["versions"])
    ran = encas("doctor")
    assert ran.code == 0
    assert "cpu" in ran.out
    assert "works" in ran.out
