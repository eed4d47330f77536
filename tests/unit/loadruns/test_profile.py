"""Profiles: strict, with every fault at once, and packaged ones that are in order."""

from importlib.resources import files

import pytest

from dialtrace.loadruns.errors import ProfileFaulty
from dialtrace.loadruns.profile import Profile

GOOD = """
name = "small"
[rate]
steps = [{ for_s = 10, from_cps = 2 }]
[[targets]]
name = "desk"
behaviour = "answers"
[[targets]]
name = "rings"
behaviour = "no_answer"
[[targets]]
name = "brief"
behaviour = "hangs_up"
[[calls]]
name = "answered"
share = 3
targets = ["rings", "desk"]
"""


def faults_of(text):
    with pytest.raises(ProfileFaulty) as caught:
        Profile.read(text, "small.toml")
    return caught.value.faults


def test_given_a_small_profile_then_what_it_does_not_say_has_sane_values():
    profile = Profile.read(GOOD, "small.toml")
    assert profile.expected(profile.calls[0]) == (200, "answered")
    assert [host.address for host in profile.hosts] == ["127.0.0.1"]
    assert profile.system.kind == "own"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("share = 3", "share = 3\nspeed = 4"), "calls.0.speed: is no key that a profile has"),
        (("for_s = 10", "for_s = -1"), "rate.steps.0.for_s:"),
        (("share = 3", 'share = "3"'), "calls.0.share: input should be a valid number"),
        (('targets = ["rings", "desk"]', 'targets = ["nobody"]'), "there is no target 'nobody'"),
        (("share = 3", "share = 3\nname2 = 1"), "calls.0.name2"),
        (("from_cps = 2", "from_cps = 300"), "bounds.cps: 200, and the profile goes up to 300"),
        (("for_s = 10", "for_s = 20000"), "bounds.seconds"),
        (("[rate]", "[search]\nwithin_s = 1300\nrepeat = 3\n[rate]"), "bounds.seconds: 3600, and the profile takes 39"),
        (("from_cps = 2", "from_cps = 0"), "the curve makes no call"),
        (("share = 3", 'share = 3\ncaller = "waits"'), "no target of it hangs up"),
        (("share = 3", 'share = 3\ncaller = "gives_up"'), "so no target of it may answer"),
        (("[rate]", '[system]\nkind = "standing"\n[rate]'), "system.nodes: is missing"),
        (("[rate]", '[system]\nnodes = ["example.org:5060"]\n[rate]'), "with an IPv4 address"),
        (("[rate]", '[[hosts]]\nname = "a"\naddress = "10.0.0.1"\nssh = "-oProxyCommand=x"\n[rate]'), "hosts.0.ssh"),
        (('name = "brief"', 'name = "desk"'), "targets: 'desk' is there 2 times"),
        (('name = "small"', "name = small"), "it is no TOML"),
    ],
)
def test_given_a_fault_then_it_says_where_and_what(change, told):
    assert any(told in fault for fault in faults_of(GOOD.replace(*change)))


def test_given_several_faults_then_all_are_told_at_once():
    text = GOOD.replace("for_s = 10", "for_s = 0").replace("share = 3", "share = -1")
    assert len(faults_of(text)) == 2


def test_given_targets_in_turn_then_the_first_that_answers_decides_and_else_the_last():
    text = GOOD.replace('["rings", "desk"]', '["rings"]')
    profile = Profile.read(text, "x")
    assert profile.expected(profile.calls[0]) == (480, "no_answer")
    given_up = Profile.read(text.replace("share = 3", 'share = 3\ncaller = "gives_up"'), "x")
    assert given_up.expected(given_up.calls[0]) == (487, "caller_cancelled")
    unknown = Profile.read(GOOD.replace('targets = ["rings", "desk"]', ""), "x")
    assert unknown.expected(unknown.calls[0]) == (404, "unallocated")


def test_given_the_packaged_profiles_then_each_can_be_read_and_says_what_it_is_for():
    found = [one for one in files("dialtrace.loadtest").joinpath("profiles").iterdir() if one.name.endswith(".toml")]
    assert found
    for one in found:
        profile = Profile.read(one.read_text(encoding="utf-8"), one.name)
        assert profile.name == one.name.removesuffix(".toml")
        assert profile.about
