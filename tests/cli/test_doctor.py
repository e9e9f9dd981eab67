"""`foveate doctor` and `foveate grounders`."""

from __future__ import annotations

from .conftest import Foveate


def test_doctor_says_one_object_and_fails_only_for_a_failed_check(foveate: Foveate) -> None:
    ran = foveate("doctor", "--json")
    states = {check["name"]: check["status"] for check in ran.json["checks"]}
    assert states["torch"] == "ok" and ran.code == int("fail" in states.values())


def test_doctor_tells_people_of_a_server_that_is_not_there(foveate: Foveate) -> None:
    ran = foveate("doctor", "--base-url", "http://127.0.0.1:9/v1")
    assert ran.code == 1
    assert any(line.split()[:2] == ["fail", "server"] for line in ran.out.splitlines())


def test_grounders_are_told_with_what_they_need(foveate: Foveate) -> None:
    told, text = foveate("grounders", "--json").json, foveate("grounders").out
    assert {"pocket", "diffusion", "vlm", "fuse"} <= set(told["grounders"]) and "sam" in told["segmenters"]
    for record in [*told["grounders"].values(), *told["segmenters"].values()]:
        assert all(record[key] for key in ("line", "licence", "size", "boxes", "spec"))
        assert record["installed"] is (not record["missing"]) is (record["install"] == "")
        assert record["spec"].split("[")[0].split("@")[0] in text and all(
            word in text for word in record["line"].split()
        )
    assert "embedded" in told["grounders"]["pocket"]["weights"]
