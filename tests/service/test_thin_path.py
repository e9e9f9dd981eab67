"""Upload, ask, stream, look, delete: the way of one question through the service."""

from __future__ import annotations

import io
import sqlite3
import threading
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from langchain_core.tools import tool
from PIL import Image
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from ..agent.scripted import ScriptedModel, call
from .conftest import DEMO, FOUND
from .server import Client, serving


def test_a_question_and_a_follow_up(client: Client, picture: Path) -> None:
    session = client.session(picture)
    first = client.ask(session, "Is there a spot?")
    assert first.status_code == 200
    result = first.json()["result"]
    assert result["answer"] == "It is there." and result["evidence"][0]["box"] == [10.0, 10.0, 60.0, 40.0]
    second = client.ask(session, "How large is it?").json()
    assert second["turn"] == 2 and second["result"]["claims"][0]["evidence"] == ["E1"]
    assert [step["tool"] for step in second["result"]["steps"]] == ["measure", "answer"]
    history = client.http.get(f"/v1/sessions/{session}").json()
    assert [turn["question"] for turn in history["turns"]] == ["Is there a spot?", "How large is it?"]
    assert client.http.get("/v1/sessions").json()["sessions"][0]["turns"] == 2


def test_a_turn_is_accepted_at_once_and_read_later(client: Client, picture: Path) -> None:
    session = client.session(picture)
    asked = client.ask(session, "Is there a spot?", wait=0)
    assert asked.status_code == 202 and asked.json()["status"] in ("running", "done")
    events = client.events(session, 1)
    assert events[-1][1:] == ("turn_end", {"turn": 1, "status": "done"})
    assert client.http.get(asked.headers["location"]).json()["result"]["answer"] == "It is there."


def test_the_stream_tells_everything_in_order(client: Client, picture: Path) -> None:
    told = list(client.stream(client.session(picture), "Is there a spot?"))
    assert [number for number, _, _ in told] == list(range(1, len(told) + 1))
    kinds = [kind for _, kind, _ in told]
    assert kinds[:5] == ["turn_start", "view", "model_start", "model_end", "tool_start"]
    assert kinds[-3:] == ["step", "answer", "turn_end"] and "box" in kinds


def test_a_stream_goes_on_after_the_last_event_seen(client: Client, picture: Path) -> None:
    session = client.session(picture)
    told = list(client.stream(session, "Is there a spot?"))
    for seen in (0, 1, 5, len(told) - 1, len(told)):
        assert client.events(session, 1, after=seen) == told[seen:]


def test_events_arrive_while_the_turn_still_runs(tmp_path: Path, picture: Path) -> None:
    heard, let_go = threading.Event(), threading.Event()

    @tool
    def wait() -> str:
        """Waits until the client has heard of it."""
        heard.set()
        return "heard" if let_go.wait(20) else "not heard"

    model = ScriptedModel(replies=[call("wait"), call("answer", text="Done.", abstained=True)])
    with serving(tmp_path / "data", model, agent={"tools": [wait]}) as client:
        session = client.session(picture)
        observed = []
        for _, kind, data in client.stream(session, "What?"):
            if kind == "tool_start":
                assert heard.wait(20)
                assert client.http.get(f"/v1/sessions/{session}/turns/1").json()["status"] == "running"
                let_go.set()
            if kind == "step":
                observed.append(data.get("observation"))
    assert observed[0] == "<<<\nheard\n>>>"


def test_pictures_of_what_was_seen(client: Client, picture: Path) -> None:
    session = client.session(picture)
    turn = client.ask(session, "Is there a spot?").json()
    places = [
        *turn["overlays"],
        f"/v1/sessions/{session}/evidence/E1/overlay.png",
        f"/v1/sessions/{session}/evidence/E1/crop.png",
        f"/v1/sessions/{session}/views/V1.png",
    ]
    for place in places:
        got = client.http.get(place)
        assert got.status_code == 200 and got.headers["content-type"] == "image/png"
        shown = np.asarray(Image.open(io.BytesIO(got.content)).convert("RGB"))
        assert shown.size
    drawn = np.asarray(Image.open(io.BytesIO(client.http.get(places[0]).content)).convert("RGB")).astype(int)
    assert (abs(drawn[..., 0] - drawn[..., 2]) > 50).any(), "the box has a colour on the gray picture"
    plain = client.http.get(f"/v1/sessions/{session}/images/1/slice.png", params={"side": 224})
    assert np.median(np.asarray(Image.open(io.BytesIO(plain.content)).convert("L"))) == 90


def test_a_window_changes_the_slice(client: Client) -> None:
    session = client.session(DEMO / "upper_abdomen.dcm")
    at = f"/v1/sessions/{session}/images/1/slice.png"
    soft = client.http.get(at, params={"center": 40, "width": 400}).content
    lung = client.http.get(at, params={"center": -600, "width": 1500}).content
    assert soft != lung


def test_evidence_and_trace_can_be_replayed(client: Client, picture: Path) -> None:
    session = client.session(picture)
    client.ask(session, "Is there a spot?")
    client.ask(session, "How large is it?")
    listed = client.http.get(f"/v1/sessions/{session}/evidence").json()
    assert [e["id"] for e in listed["evidence"]] == ["E1"] and listed["views"][0]["name"] == "V0"
    trace = client.http.get(f"/v1/sessions/{session}/trace").json()
    assert len(trace["replies"]) == 4 and trace["questions"] == ["Is there a spot?", "How large is it?"]
    from foveate.agent.models.profiles import profile_named
    from foveate.agent.models.scripted import ScriptedChatModel, _message
    from foveate.agent.run import Agent

    replay = ScriptedChatModel(replies=[_message(reply) for reply in trace["replies"]])
    again = Agent(replay, profile=profile_named("pocket"), grounder=None).session(str(picture))
    assert again.ask("Is there a spot?").answer.evidence[0].box == (10.0, 10.0, 60.0, 40.0)
    assert again.ask("How large is it?").answer.text == "It is small."


def test_demo_files_open(client: Client) -> None:
    session = client.session(DEMO / "chest_nodule.nii.gz", DEMO / "upper_abdomen.dcm")
    images = client.http.get(f"/v1/sessions/{session}").json()["images"]
    assert [image["number"] for image in images] == [1, 2]
    assert images[0]["about"]["modality"] == "CT"


def series(folder: Path, slices: int = 4) -> list[Path]:
    """A small CT series as a scanner writes it, with a patient's name in every file."""
    folder.mkdir()
    study, frame = generate_uid(), generate_uid()
    paths = []
    for index in range(slices):
        ds = pydicom.Dataset()
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
        ds.PatientName, ds.PatientID, ds.PatientBirthDate = "MUSTERMANN^ERIKA", "SECRET-4711", "19640812"
        ds.StudyInstanceUID = ds.SeriesInstanceUID = study
        ds.FrameOfReferenceUID, ds.Modality, ds.InstanceNumber = frame, "CT", index + 1
        ds.Rows = ds.Columns = 32
        ds.ImageOrientationPatient, ds.PixelSpacing = [1, 0, 0, 0, 1, 0], [1.0, 1.0]
        ds.ImagePositionPatient, ds.SliceThickness = [0, 0, 2.0 * index], 2.0
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.RescaleIntercept, ds.RescaleSlope = 0, 1
        pixels = np.indices((32, 32), np.int16).sum(0) // 8 % 2 * 100 + index
        ds.PixelData = pixels.astype(np.int16).tobytes()
        path = folder / f"MUSTERMANN_{index}.dcm"
        ds.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


@pytest.mark.parametrize("way", ["files", "zip"])
def test_a_series_is_one_volume_and_no_identifier_is_kept(client: Client, tmp_path: Path, way: str) -> None:
    paths = series(tmp_path / "series")
    session = client.session()
    if way == "files":
        got = client.upload(session, *paths)
    else:
        packed = tmp_path / "MUSTERMANN.zip"
        with zipfile.ZipFile(packed, "w") as archive:
            for path in paths:
                archive.write(path, f"MUSTERMANN/{path.name}")
        got = client.upload(session, packed)
    [image] = got.json()["images"]
    assert image["about"]["planes"]["axial"]["slices"] == 4
    client.ask(session, "Is there a spot?")
    for secret in (b"MUSTERMANN", b"ERIKA", b"SECRET-4711", b"19640812"):
        assert not holding(client.data, secret)


def holding(folder: Path, words: bytes) -> list[Path]:
    """Files below a folder that hold those bytes."""
    return [p for p in folder.rglob("*") if p.is_file() and words in p.read_bytes()]


def test_a_delete_leaves_nothing(client: Client, picture: Path, tmp_path: Path) -> None:
    kept, gone = client.session(picture), client.session(picture, DEMO / "upper_abdomen.dcm")
    client.ask(gone, "Is the zanzibar spot there?")
    assert holding(client.data, b"zanzibar")
    assert client.http.delete(f"/v1/sessions/{gone}").status_code == 204
    assert not holding(client.data, b"zanzibar") and not holding(client.data, gone.encode())
    assert client.http.get(f"/v1/sessions/{gone}").status_code == 404
    [left] = client.http.get(f"/v1/sessions/{kept}").json()["images"]
    assert [path.name for path in (client.data / "images").iterdir()] == [left["id"]]
    client.http.delete(f"/v1/sessions/{kept}")
    assert list((client.data / "images").iterdir()) == []
    with sqlite3.connect(client.data / "foveate.db") as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
    assert {name for name, count in counts.items() if count} <= {"servers", "sqlite_sequence"}


def test_a_box_can_be_asked_about(tmp_path: Path, picture: Path) -> None:
    model = ScriptedModel(
        replies=[call("measure", region="E1"), call("answer", text="Small.", abstained=True)]
    )
    with serving(tmp_path / "data", model) as client:
        session = client.session(picture)
        asked = client.ask(session, "What is in the box?", look=[{"image": 1}], boxes=[[5, 5, 25, 30]])
        told = asked.json()["result"]["steps"][0]
    assert told["ok"] and told["facts"]["width"] == 20.0


def test_a_second_image_is_shown_with_the_next_question(tmp_path: Path, picture: Path) -> None:
    model = ScriptedModel(replies=[FOUND, call("answer", text="Alike.", abstained=True)])
    with serving(tmp_path / "data", model) as client:
        session = client.session(picture)
        client.ask(session, "Is there a spot?")
        client.upload(session, DEMO / "upper_abdomen.dcm")
        told = [
            data["name"]
            for _, kind, data in client.stream(session, "Compare with the second image.")
            if kind == "view"
        ]
    assert told == ["V1"]
    said = "\n".join(message.text for message in model.shown[-1])
    assert "V0 224x112" in said and "V1 224x224" in said and "Is there a spot?" in said


def test_a_question_may_ask_for_checks(tmp_path: Path, picture: Path) -> None:
    # the box lies on the left of the picture
    claims = [{"text": "The spot is on the image right.", "box": [10, 10, 60, 40], "view": "V0"}]
    model = ScriptedModel(replies=[call("answer", text="A spot.", claims=claims)])
    with serving(tmp_path / "data", model) as client:
        session = client.session(picture)
        plain = client.ask(session, "Where is the spot?").json()["result"]
        checked = client.ask(session, "Where is the spot?", checks="basic").json()["result"]
    assert plain["claims"][0]["supported"] and "checks" not in plain
    assert checked["abstained"] and "lies on the left" in checked["claims"][0]["refuted"]
    assert checked["checks"]["level"] == "basic"
