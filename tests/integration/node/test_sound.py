"""What callers hear and press: announcements, digits by both ways, menus, whispers, voicemail, recordings."""

from __future__ import annotations

import json
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from .calls import FINISH, GO_ON, call_id, plan, samples_of
from .phone import Dialog, Phone, Target, answers, loudest_hertz, rings_for_ever
from .switch import Events, Switch, Worker

Make = Callable[..., Target]


def write_tone(path: Path, hertz: float, seconds: float, *, rate: int = 8000) -> Path:
    clock = np.arange(int(rate * seconds)) / rate
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes((9000 * np.sin(2 * np.pi * hertz * clock)).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("rate", [8000, 16000])
def test_given_an_announcement_when_it_is_played_then_the_caller_hears_it_whole(
    rate: int, switch: Switch, worker: Worker, events: Events, phone: Phone, tmp_path: Path
) -> None:
    prompt = write_tone(tmp_path / "prompt.wav", 600, 0.6, rate=rate)
    number = plan(worker, f"answer~playback:{prompt}~hangup:NORMAL_CLEARING")
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    dialog.wait_for("BYE")
    assert dialog.audio.loudest_hertz(skip=400) == 600
    assert 0.55 <= len(dialog.audio.heard) / 8000 <= 0.65
    call = call_id(events, number)
    start, stop = (events.wait_for(call, name) for name in ("PLAYBACK_START", "PLAYBACK_STOP"))
    assert start["Playback-File-Path"] == str(prompt)
    assert stop["Playback-Status"] == "done"


def test_given_a_prompt_that_is_missing_when_it_is_played_then_the_call_goes_on_in_silence(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = plan(worker, "answer~playback:/no/such/prompt.wav~hangup:USER_BUSY")
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    dialog.wait_for("BYE")
    call = call_id(events, number)
    events.wait_for(call, "CHANNEL_DESTROY")
    assert "PLAYBACK_START" not in events.of(call)
    done = [e for e in events.seen if e.get("Unique-ID") == call and e["Event-Name"] == "CHANNEL_EXECUTE_COMPLETE"]
    assert "FILE NOT FOUND" in [event["Application-Response"] for event in done]


def test_given_playback_before_the_answer_when_it_begins_then_it_is_early_media(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = plan(worker, "playback:tone_stream://%(400,0,700)~hangup:USER_BUSY")
    dialog = phone.call(switch.sip, number)
    assert dialog.final().status == 486
    assert "183 INVITE" in dialog.seen
    assert dialog.audio.loudest_hertz(skip=400) == 700


@pytest.mark.parametrize("way", ["rfc2833", "info"])
def test_given_a_menu_when_the_caller_presses_then_the_digit_is_in_the_variable_and_a_worker_is_asked_again(
    way: str, switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    menu = (
        "play_and_get_digits:1\\s1\\s2\\s3000\\s#\\stone_stream://%(5000,0,500)\\ssilence_stream://250"
        "\\sdialtrace_digits\\s[1-3]\\s2000"
    )
    number = plan(worker, f"answer~{menu}~transfer:resume\\sXML\\sflow", "hangup:CALL_REJECTED")
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    time.sleep(0.3)
    started = time.monotonic()
    if way == "info":
        dialog.info_digit("2")
    else:
        dialog.audio.press("2")
    dialog.wait_for("BYE")
    assert time.monotonic() - started < 1
    assert worker.connects[-1]["variable_dialtrace_digits"] == "2"
    a = switch.cdrs(call_id(events, number), 0)["a"]["variables"]
    assert (a["read_result"], a["digits_dialed"]) == ("success", "2")
    assert [e["DTMF-Digit"] for e in events.seen if e["Event-Name"] == "DTMF" and e["Unique-ID"] == a["uuid"]] == ["2"]


def test_given_a_menu_when_nothing_or_the_wrong_key_is_pressed_then_the_invalid_sound_comes_and_it_times_out(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    menu = (
        "play_and_get_digits:1\\s1\\s2\\s300\\s#\\ssilence_stream://100\\stone_stream://%(200,0,900)\\sd\\s[1-3]\\s300"
    )
    number = plan(worker, f"answer~{menu}~hangup:NORMAL_CLEARING")
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    dialog.audio.press("9")
    dialog.wait_for("BYE")
    a = switch.cdrs(call_id(events, number), 0)["a"]["variables"]
    assert a["read_result"] == "timeout"
    assert a["d_invalid"] == "9"
    assert "d" not in a
    assert loudest_hertz(dialog.audio.codec.decode(bytes(dialog.audio.heard))) == 900


def test_given_a_whisper_when_the_target_answers_then_it_hears_it_first_and_the_caller_is_answered_after(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make, tmp_path: Path
) -> None:
    whisper = write_tone(tmp_path / "whisper.wav", 600, 0.5)
    callee = target(answers(0.0))
    leg = f"[group_confirm_key=exec,group_confirm_file=playback\\s{whisper}]{callee.address}"
    number = plan(worker, f"{GO_ON}bridge:{leg}{FINISH}")
    dialog = phone.call(switch.sip, number, hertz=440.0)
    dialog.answered()
    assert callee.first().audio.loudest_hertz(skip=400) == 600
    dialog.bye()
    record = switch.cdrs(call_id(events, number), 1)["b"][0]["variables"]
    assert int(record["bridge_uepoch"]) - int(record["answer_uepoch"]) > 450_000


@pytest.mark.parametrize("presses", [True, False])
def test_given_press_one_to_accept_when_it_is_pressed_or_not_then_only_a_person_is_connected(
    presses: bool, switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make, tmp_path: Path
) -> None:
    def behave(dialog: Dialog) -> None:
        dialog.answer()
        if presses:
            time.sleep(0.3)
            dialog.audio.press("1")

    callee = target(behave)
    prompt = write_tone(tmp_path / "press.wav", 500, 0.3)
    leg = f"[leg_timeout=5,group_confirm_key=1,group_confirm_file={prompt},group_confirm_timeout=1]"
    number = plan(worker, f"{GO_ON}bridge:{leg}{callee.address}{FINISH}")
    dialog = phone.call(switch.sip, number)
    if presses:
        dialog.answered()
        dialog.bye()
    else:
        assert dialog.final().status == 480
        callee.first().wait_for("BYE")
    record = switch.cdrs(call_id(events, number), 1)["b"][0]["variables"]
    assert int(record["answer_uepoch"]) > 0
    assert (int(record["bridge_uepoch"]) > 0) is presses
    assert record["hangup_cause"] == ("NORMAL_CLEARING" if presses else "ALLOTTED_TIMEOUT")


def test_given_a_bridged_call_when_one_side_presses_digits_then_the_other_gets_them(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    callee = target(answers(0.0))
    dialog = phone.call(switch.sip, plan(worker, f"{GO_ON}bridge:{callee.address}"))
    dialog.answered()
    dialog.audio.press("5")
    dialog.audio.press("#")
    deadline = time.monotonic() + 2
    while len(callee.first().audio.digits) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert callee.first().audio.digits == [5, 11]
    dialog.bye()


def test_given_voicemail_when_the_caller_speaks_and_presses_star_then_one_channel_holds_what_was_said(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    path = switch.spool / "recordings" / "voicemail.wav"
    number = plan(worker, f"answer~record:{path}\\s5\\s200\\s3~hangup:NORMAL_CLEARING")
    dialog = phone.call(switch.sip, number, hertz=440.0)
    dialog.answered()
    time.sleep(0.8)
    dialog.audio.press("*")
    dialog.wait_for("BYE")
    samples = samples_of(path, 1)[:, 0]
    assert 0.6 < len(samples) / 8000 < 1.2
    assert loudest_hertz(samples[800:]) == 440
    call = call_id(events, number)
    assert events.wait_for(call, "RECORD_STOP")["Record-File-Path"] == str(path)
    assert switch.cdrs(call, 0)["a"]["variables"]["playback_terminator_used"] == "*"


def test_given_a_silent_caller_when_voicemail_has_heard_nothing_long_enough_then_it_stops(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    path = switch.spool / "recordings" / "silent.wav"
    number = plan(worker, f"answer~record:{path}\\s9\\s200\\s1~hangup:NORMAL_CLEARING")
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    dialog.wait_for("BYE", 4)
    assert switch.cdrs(call_id(events, number), 0)["a"]["variables"]["silence_hits_exhausted"] == "true"


def test_given_no_directory_when_voicemail_would_record_then_the_call_is_hung_up_as_on_the_switch(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = plan(worker, f"answer~record:{switch.spool}/nowhere/voicemail.wav\\s5")
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    dialog.wait_for("BYE")
    a = switch.cdrs(call_id(events, number), 0)["a"]["variables"]
    assert a["hangup_cause"] == "DESTINATION_OUT_OF_ORDER"


def test_given_a_recording_over_prompt_bridge_and_resume_when_the_cdr_appears_then_the_one_file_is_whole(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make, tmp_path: Path
) -> None:
    prompt = write_tone(tmp_path / "prompt.wav", 600, 0.4)
    callee = target(answers(0.1, hang_up_after_s=0.5), hertz=1000.0)
    path = switch.spool / "recordings" / "new" / "day" / "whole.wav"
    number = plan(
        worker,
        f"set:RECORD_STEREO=true~answer~record_session:{path}~playback:{prompt}~set:continue_on_fail=true"
        f"~bridge:{callee.address}~transfer:resume\\sXML\\sflow",
        "hangup:NORMAL_CLEARING",
    )
    lengths: list[int] = []

    def watch() -> None:
        """Note the file's length at the very moment the A leg's record appears."""
        folder, known = switch.spool / "cdr", set((switch.spool / "cdr").iterdir())
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline and not lengths:
            for found in set(folder.glob("a_*.json")) - known:
                assert json.loads(found.read_text())["variables"]["record_completion_cause"] == "success-silence"
                lengths.append(len(samples_of(path, 2)))
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    dialog = phone.call(switch.sip, number, hertz=440.0)
    dialog.answered()
    dialog.wait_for("BYE")
    watcher.join(8)
    samples = samples_of(path, 2)
    assert lengths == [len(samples)]
    assert 0.9 <= len(samples) / 8000 <= 1.5
    assert loudest_hertz(samples[800:2800, 1]) == 600
    assert loudest_hertz(samples[-4000:-800, 1]) == 1000
    assert loudest_hertz(samples[800:-800, 0]) == 440


def test_given_endless_playback_when_the_call_is_transferred_from_outside_then_it_goes_where_it_was_sent(
    switch: Switch, worker: Worker, events: Events, phone: Phone
) -> None:
    number = plan(worker, "answer~endless_playback:tone_stream://%(100,100,500)", "hangup:CALL_REJECTED")
    dialog = phone.call(switch.sip, number)
    dialog.answered()
    time.sleep(0.4)
    call = call_id(events, number)
    assert switch.api(f"uuid_transfer {call} resume XML flow") == "+OK\n"
    dialog.wait_for("BYE")
    a = switch.cdrs(call, 0)["a"]["variables"]
    assert (a["hangup_cause"], a["hangup_cause_q850"]) == ("CALL_REJECTED", "21")


def test_given_a_scheduled_hangup_when_its_time_comes_then_it_cuts_the_call_unless_cancelled(
    switch: Switch, worker: Worker, events: Events, phone: Phone, target: Make
) -> None:
    callee = target(rings_for_ever)
    number = plan(worker, f"sched_hangup:+1\\sNO_USER_RESPONSE~bridge:{callee.address}")
    dialog = phone.call(switch.sip, number)
    assert dialog.final(3).status == 408
    callee.first().wait_for("CANCEL")
