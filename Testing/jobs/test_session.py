"""The talk with a worker, played through by hand: every course of things, and many at random."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Failed, Finished, Progress, Started
from MedDLLogic.io.write import WrittenFile
from MedDLLogic.job import CardRef, InputRef, Job, OutputPolicy
from MedDLLogic.jobs.ladder import Patience
from MedDLLogic.jobs.messages import (
    Cancel,
    Done,
    FromWorker,
    Hello,
    Ping,
    Pong,
    PutImage,
    Release,
    Run,
    Shutdown,
    Told,
    ToWorker,
    Welcome,
)
from MedDLLogic.jobs.session import CloseInput, Drop, End, Kill, Leave, Limits, Session, Start, Tell, Terminate, Write
from MedDLLogic.records import parse_json, to_json_text

OURS = "a" * 64
LIMITS = Limits(welcome_s=10, ping_every_s=2, answer_s=6, ending=Patience(0.5, 2.0, 5.0), longest_step_s=1.0)
PID = 4711
STEP_S = 0.25


def job_with(*handles):
    inputs = {f"r{n}": InputRef(handle=handle) for n, handle in enumerate(handles or ("h",))}
    return Job("segment", inputs, card=CardRef("c"))


class Play:
    """A session with a clock of its own, and all that it ever wanted done."""

    def __init__(self, limits=LIMITS):
        self.session = Session(lambda: OURS, limits, lambda pid: pid == PID)
        self.now_s = 1000.0
        self.actions = []
        self.session.tick(self.now_s)

    def __call__(self, actions):
        self.actions += actions
        return actions

    def submit(self, job_id="j", *handles):
        started = self(self.session.submit(job_id, "case"))
        return started + self(self.session.hand_over(job_id, job_with(*handles)))

    def say(self, body, job_id="", **changes):
        message = replace(FromWorker(body, job_id), **changes)
        return self(self.session.received(to_json_text(message, indent=None).encode() + b"\n"))

    def welcome(self, sha256=OURS, **changes):
        return self.say(Welcome(PID, sha256), **changes)

    def wait(self, seconds):
        """The actions of that many seconds, told in small steps."""
        made = []
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            made += self(self.session.tick(self.now_s))
        return made

    def running(self, job_id="j", *handles):
        """This, with a job that the worker has begun."""
        self.submit(job_id, *handles)
        self.welcome()
        self.say(Told(Started("case", ("s",))), job_id)
        return self

    @property
    def ends(self):
        return [(action.job_id, action.event) for action in self.actions if isinstance(action, End)]

    def end_of(self, job_id="j"):
        """The one end of that job."""
        (event,) = [event for ended, event in self.ends if ended == job_id]
        return event


def words(actions):
    """What is written to the worker."""
    lines = [line for a in actions if isinstance(a, Write) for line in a.data.splitlines()]
    return [parse_json(ToWorker, line).body for line in lines]


def kinds(actions):
    return [type(action) for action in actions]


@pytest.fixture
def play():
    return Play()


def test_the_first_job_starts_a_worker_and_asks_who_it_is(play):
    actions = play(play.session.submit("j", "case"))
    assert kinds(actions) == [Start, Write] and words(actions) == [Hello()]


def test_a_job_is_sent_once_the_worker_is_welcome_and_its_images_are_there(play):
    play(play.session.submit("j", "case"))
    assert words(play.welcome()) == []
    assert words(play(play.session.hand_over("j", job_with("h")))) == [PutImage("h"), Run(job_with("h"))]


def test_what_a_job_tells_is_passed_on_and_its_done_ends_it(play):
    play.running()
    play.say(Told(Progress("case", "s", 0.5)), "j")
    play.say(Done({"scene": WrittenFile("scene.mrb", "0" * 64, 5)}), "j")
    assert [type(action.event) for action in play.actions if isinstance(action, Tell)] == [Started, Progress]
    assert play.end_of() == Finished("case", {"scene": "scene.mrb"})


@pytest.mark.parametrize("event", [Failed("case", "E309", "MEDDL-E309: no"), Cancelled("case")])
def test_a_failure_or_a_cancel_that_is_told_ends_the_job_and_keeps_the_worker(play, event):
    play.running().say(Told(event), "j")
    assert play.end_of() == event
    assert words(play.submit("k")) == [Run(job_with("h"))]


def test_jobs_are_done_in_their_order_one_at_a_time(play):
    for job_id in "abc":
        play.submit(job_id)
    play.welcome()
    sent = [action for job_id in "abc" for action in play.say(Done(), job_id)]
    assert [job_id for job_id, _ in play.ends] == ["a", "b", "c"] and words(sent) == [Run(job_with("h"))] * 2


def test_a_job_waits_for_the_one_before_it_even_when_its_own_images_are_there_first(play):
    play(play.session.submit("slow", "case"))
    play.submit("quick")
    assert words(play.welcome()) == []
    play(play.session.hand_over("slow", job_with("x")))
    assert words(play.say(Done(), "slow"))[-1] == Run(job_with("h"))


def test_an_image_is_put_once_for_all_jobs_that_use_it(play):
    play.running("a", "x", "y").say(Done(), "a")
    assert words(play.submit("b", "y", "z")) == [PutImage("z"), Run(job_with("y", "z"))]


def test_images_that_no_job_needs_any_more_are_released_and_dropped(play):
    play.running("a", "x", "y").say(Done(), "a")
    assert not [action for action in play.actions if isinstance(action, Drop)]  # the last job's stay
    play.submit("b", "y")
    actions = play.say(Done(), "b")
    assert words(actions) == [Release(("x",))] and actions[-1] == Drop(("x",))


def test_nothing_is_dropped_while_a_job_may_still_come_with_it(play):
    play.running("a", "x")
    play(play.session.submit("b", "case"))
    play.submit("c", "y")
    play.say(Done(), "a")
    play(play.session.cancel("c"))
    play(play.session.hand_over("b", job_with("x")))
    dropped = [handle for action in play.actions if isinstance(action, Drop) for handle in action.handles]
    assert "x" not in dropped


def test_images_that_come_after_their_job_was_cancelled_are_dropped(play):
    play(play.session.submit("j", "case"))
    play(play.session.cancel("j"))
    assert play(play.session.hand_over("j", job_with("late")))[-1] == Drop(("late",))


def test_images_that_cannot_be_handed_over_fail_their_job_alone(play):
    play(play.session.submit("j", "case"))
    play.submit("k")
    play(play.session.refuse("j", MedDLError("E501", "disk full")))
    play.welcome()
    assert play.end_of("j").code == "E501" and words(play.actions)[-1] == Run(job_with("h"))


def test_a_job_that_waits_is_cancelled_at_once(play):
    play.running("a")
    play.submit("b")
    assert [a.event for a in play(play.session.cancel("b")) if isinstance(a, End)] == [Cancelled("case")]


def test_a_job_that_runs_is_asked_then_terminated_then_killed(play):
    play.running()
    assert words(play(play.session.cancel("j"))) == [Cancel()]
    assert kinds(play.wait(0.25)) == []
    assert kinds(play.wait(0.25)) == [CloseInput, Terminate]
    assert kinds(play.wait(1.25)) == []
    assert play.wait(0.25) == [Kill(PID)]
    play(play.session.ended(-9))
    assert play.end_of() == Cancelled("case")


def test_a_worker_that_heeds_the_cancel_stays_for_the_next_job(play):
    play.running()
    play(play.session.cancel("j"))
    play.say(Told(Cancelled("case")), "j")
    assert kinds(play.wait(5)) == []
    assert words(play.submit("k")) == [Run(job_with("h"))]


def test_what_is_done_just_when_it_is_cancelled_is_cancelled(play):
    play.running()
    play(play.session.cancel("j"))
    play.say(Done(), "j")
    assert play.end_of() == Cancelled("case")


def test_the_job_after_a_terminated_one_gets_a_new_worker_and_its_images_anew(play):
    play.running("a", "x")
    play.submit("b", "x")
    play(play.session.cancel("a"))
    play.wait(0.5)
    assert kinds(play(play.session.ended(-15)))[-2:] == [Start, Write]
    assert words(play.welcome()) == [PutImage("x"), Run(job_with("x"))]


def test_a_process_that_nothing_can_end_is_left_alone(play):
    play.running("a")
    play(play.session.cancel("a"))
    assert Leave() in play.wait(5) and play.end_of("a") == Cancelled("case")
    assert Start() in play.submit("b")


def test_a_cancel_of_no_known_job_is_let_pass(play):
    assert play(play.session.cancel("nobody")) == []


@pytest.mark.parametrize(
    "stale",
    [
        {"job_id": "other"},
        {"job_id": ""},
        {"job_id": "j", "protocol": 99},
    ],
)
def test_words_on_another_job_or_of_another_protocol_are_dropped(play, stale):
    play.running()
    message = replace(FromWorker(Done()), **stale)
    assert play(play.session.received(to_json_text(message, indent=None).encode() + b"\n")) == []


def test_a_cancelled_jobs_late_words_do_not_reach_the_next_one(play):
    play.running("a")
    play.submit("b")
    play.say(Done(), "a")
    assert play.say(Told(Failed("case", "E901", "late")), "a") == []


@pytest.mark.parametrize("noise", [b"\n", b"hello\n", b"{\n", b'{"kind": 1}\n', b"\xff{}\n", b"[" * 9999 + b"\n"])
def test_garbage_on_its_output_is_left_aside(play, noise):
    play.running()
    assert play(play.session.received(noise)) == []
    play.say(Done(), "j")
    assert play.end_of() == Finished("case")


def test_a_message_may_come_byte_by_byte(play):
    play.running()
    for byte in to_json_text(FromWorker(Done(), "j"), indent=None).encode() + b"\n":
        play(play.session.received(bytes([byte])))
    assert play.end_of() == Finished("case")


@pytest.mark.parametrize("wrong", [{"sha256": "b" * 64}, {"protocol": 2}])
def test_a_worker_of_another_meddl_is_not_trusted(play, wrong):
    play.submit()
    assert kinds(play.welcome(**wrong)) == [End, CloseInput]
    assert play.end_of().code == "E609"


def test_a_worker_that_never_says_who_it_is_is_given_up(play):
    play.submit()
    assert kinds(play.wait(10)) == []
    assert kinds(play.wait(0.25)) == [End, CloseInput, Terminate, Kill]
    assert play.end_of().code == "E610"


def test_a_worker_with_a_job_is_asked_whether_it_lives_and_answers(play):
    play.running()
    assert words(play.wait(2)) == [Ping()]
    for _ in range(20):
        play.say(Pong())
        play.wait(2)
    assert play.ends == []


def test_a_worker_that_does_not_answer_is_given_up_and_the_next_job_gets_another(play):
    play.running("a")
    play.submit("b")
    play.wait(6.25)
    assert play.end_of("a").code == "E610" and play.actions[-1] == Kill(PID)
    assert Start() in play(play.session.ended(-9))


def test_a_worker_without_a_job_is_left_in_peace(play):
    play.running().say(Done(), "j")
    assert not play.session.is_busy and play.wait(600) == []


def test_time_in_which_nobody_listened_does_not_count_as_silence_of_the_worker(play):
    play.running()
    play.now_s += 3600
    play(play.session.tick(play.now_s))
    assert play.ends == []


@pytest.mark.parametrize(("exit_code", "code"), [(-9, "E502"), (137, "E502"), (-11, "E603"), (1, "E603")])
def test_a_worker_that_dies_fails_its_job_in_plain_words_and_the_next_one_gets_another(play, exit_code, code):
    play.running("a")
    play.submit("b")
    actions = play(play.session.ended(exit_code))
    assert play.end_of("a").code == code
    assert kinds(actions) == [Kill, End, Start, Write]


def test_a_package_that_is_missing_is_named(play):
    play.submit()
    play.session.logged(b"Traceback ...\nModuleNotFoundError: No module named 'numpy.core'\n")
    play(play.session.ended(1))
    assert play.end_of().code == "E104" and "numpy is missing" in play.end_of().message


def test_the_end_of_a_job_comes_with_what_the_worker_logged_during_it_alone(play):
    play.running("a").session.logged(b"first\n")
    play.say(Done(), "a")
    play.submit("b")
    play.session.logged(b"second\n")
    play.say(Told(Failed("case", "E901", "x")), "b")
    assert [action.log for action in play.actions if isinstance(action, End)] == ["first\n", "second\n"]


def test_a_worker_that_left_just_before_its_job_came_is_replaced_once(play):
    play.running("a").say(Done(), "a")
    play.submit("b")
    play(play.session.ended(0))
    assert words(play.welcome())[-1] == Run(job_with("h")) and play.ends[1:] == []
    play(play.session.ended(0))
    assert play.end_of("b").code == "E603"


def test_a_worker_that_leaves_while_nothing_is_to_do_is_no_failure(play):
    play.running("a").say(Done(), "a")
    assert play(play.session.ended(0)) == []
    assert Start() in play.submit("b")


def test_a_worker_that_cannot_be_started_fails_the_job(play):
    play.submit()
    play(play.session.not_started(MedDLError("E603", "not started")))
    assert play.end_of().code == "E603" and not play.session.is_busy


def test_a_stopped_worker_is_asked_to_leave_and_the_next_job_gets_another(play):
    play.running("a").say(Done(), "a")
    actions = play(play.session.stop_worker())
    assert words(actions) == [Shutdown()] and kinds(actions)[-1] is CloseInput
    play.submit("b")
    assert Start() in play(play.session.ended(0))


def test_the_job_of_a_stopped_worker_is_cancelled(play):
    play.running("a")
    assert words(play(play.session.stop_worker())) == [Cancel(), Shutdown()]
    play(play.session.ended(0))
    assert play.end_of("a") == Cancelled("case")


def test_a_closed_session_kills_its_worker_and_says_nothing_more(play):
    play.running()
    assert play(play.session.close()) == [CloseInput(), Kill(PID)]
    assert play(play.session.ended(-9)) == play.wait(20) == []


def test_a_worker_that_is_stopped_before_it_said_who_it_is_fails_no_job(play):
    play.submit()
    play(play.session.stop_worker())
    assert Start() in play(play.session.ended(-15)) and play.ends == []


def test_a_job_after_a_long_rest_is_given_as_much_time_as_any(play):
    play.running("a").say(Done(), "a")
    play.wait(600)
    play.submit("b")
    assert words(play.wait(1)) == [] and len(play.ends) == 1


def test_an_image_is_dropped_once(play):
    play.running("a", "x").say(Done(), "a")
    for job_id in "bc":
        play.submit(job_id, "y")
        play.say(Done(), job_id)
    assert [action for action in play.actions if isinstance(action, Drop)] == [Drop(("x",))]


@pytest.mark.parametrize("pid", [10**20, -5, 1, PID + 1])
def test_a_process_that_a_worker_names_and_that_is_none_of_ours_is_not_killed(play, pid):
    play.submit()
    play.say(Welcome(pid, OURS))
    assert play(play.session.close()) == [CloseInput(), Kill(0)]


def test_a_worker_of_another_protocol_is_known_as_such_whatever_else_it_says(play):
    play.submit()
    newer = b'{"body": {"kind": "welcome", "pid": 5, "new": 1}, "protocol": 2}\n'
    assert kinds(play(play.session.received(newer))) == [End, CloseInput] and play.end_of().code == "E609"


def test_a_worker_that_writes_noise_without_end_is_given_up(play):
    play.running()
    assert play(play.session.received(b"{}\n" * 999)) == []
    play.say(Pong())
    assert kinds(play(play.session.received(b"x\n" * 100_000))) == [End, CloseInput, Terminate, Kill]
    assert play.end_of().code == "E610"


@pytest.mark.parametrize("path", ["/d/" + "x" * 1_000_000, "/d/x"])
def test_a_job_too_long_to_be_read_fails_and_the_next_one_is_done(play, path):
    output = OutputPolicy("/d/" if len(path) > 99 else "/d/\udcff")
    play(play.session.submit("long", "case"))
    play(play.session.hand_over("long", replace(job_with(), inputs={"r": InputRef(path=path)}, output=output)))
    play.submit("k")
    assert words(play.welcome()) == [PutImage("h"), Run(job_with("h"))]
    assert play.end_of("long").code == "E102"


@pytest.mark.parametrize("code", ["E301", "E305"])
def test_images_of_a_job_that_found_them_lost_are_put_anew(play, code):
    play.running("a", "x").say(Told(Failed("case", code, "gone")), "a")
    assert words(play.actions)[-1] == Release(("x",)) and play.actions[-1] == Drop(("x",))
    assert words(play.submit("b", "x")) == [PutImage("x"), Run(job_with("x"))]


INPUTS = st.one_of(
    st.tuples(st.just("submit"), st.booleans()),
    st.tuples(st.sampled_from(["hand_over", "refuse", "cancel"]), st.integers(0, 4)),
    st.tuples(st.just("wait"), st.sampled_from([0.02, 0.6, 3.0, 7.0, 30.0])),
    st.tuples(
        st.just("say"), st.tuples(st.integers(0, 4), st.sampled_from(["done", "started", "failed", "cancelled"]))
    ),
    st.tuples(st.just("ended"), st.sampled_from([0, 1, -9, -15])),
    st.tuples(st.sampled_from(["welcome", "stranger", "pong", "stop", "not_started", "noise"]), st.none()),
)


class Chance(Play):
    """A session to which anything may happen at any time, as far as a process can make it happen."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.on_their_way = set()

    def meet(self, kind, what):
        session = self.session
        if kind == "submit":
            self(session.submit(str(self.count), "case"))
            self.on_their_way.add(self.count)
            self.count += 1
            self.hand_over(self.count - 1 if what else None)
        elif kind == "hand_over":
            self.hand_over(what)
        elif kind == "refuse":
            self.refuse(what)
        elif kind == "cancel":
            self(session.cancel(str(what)))
        elif kind == "wait":
            self.wait(what)
        elif kind == "say":
            job_id, word = what
            body = {"done": Done(), "started": Told(Started("c", ())), "failed": Told(Failed("c", "E901", "x")),
                    "cancelled": Told(Cancelled("c"))}[word]  # fmt: skip
            self.say(body, str(job_id))
        else:
            self.meet_process(kind, what)

    def hand_over(self, number):
        if number in self.on_their_way:
            self.on_their_way.remove(number)
            self(self.session.hand_over(str(number), job_with(str(number % 3))))

    def refuse(self, number):
        if number in self.on_their_way:
            self.on_their_way.remove(number)
            self(self.session.refuse(str(number), MedDLError("E501", "")))

    def meet_process(self, kind, what):
        session = self.session
        if kind == "ended":
            self(session.ended(what))
        elif kind == "not_started":
            self(session.not_started(MedDLError("E603", "")))
        elif kind == "stop":
            self(session.stop_worker())
        elif kind == "noise":
            self(session.received(b"\x00noise\n"))
        elif kind == "pong":
            self.say(Pong())
        else:
            self.welcome(OURS if kind == "welcome" else "b" * 64)


@settings(max_examples=400, deadline=None)
@given(course=st.lists(INPUTS, max_size=40))
def test_whatever_happens_each_job_ends_exactly_once_and_nothing_hangs(course):
    chance = Chance()
    for kind, what in course:
        chance.meet(kind, what)
    for number in range(chance.count):
        chance.hand_over(number)
    chance.wait(40 * (chance.count + 1))
    assert sorted(job_id for job_id, _ in chance.ends) == sorted(str(n) for n in range(chance.count))
    assert not chance.session.is_busy
    assert chance.wait(60) == []


@settings(max_examples=200, deadline=None)
@given(course=st.lists(INPUTS, max_size=40))
def test_nothing_is_told_of_a_job_after_its_end(course):
    chance = Chance()
    for kind, what in course:
        chance.meet(kind, what)
    over = set()
    for action in chance.actions:
        assert not (isinstance(action, Tell | End) and action.job_id in over)
        over |= {action.job_id} if isinstance(action, End) else set()


@settings(max_examples=200, deadline=None)
@given(course=st.lists(INPUTS, max_size=40))
def test_no_job_is_sent_without_its_images_and_no_image_twice_to_one_worker(course):
    chance = Chance()
    for kind, what in course:
        chance.meet(kind, what)
    here = set()
    for action in chance.actions:
        here = set() if isinstance(action, Start) else here
        for word in words([action]):
            assert not (isinstance(word, PutImage) and word.handle in here)
            here |= {word.handle} if isinstance(word, PutImage) else set()
            here -= set(word.handles) if isinstance(word, Release) else set()
            assert not isinstance(word, Run) or {ref.handle for ref in word.job.inputs.values()} <= here
