"""The promises of the link, held by two real peers over a line that does all a line can do."""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firmware_bridge.messages import PACKED_SIZE, Edge
from firmware_bridge.session import BoardState, HostState
from tests.firmware_bridge.simulation import Simulation, Weather

RECOVERY_S: Final = 2.0
BURST_MAX: Final = 100  # a full queue of edges and their acknowledgements, some of them twice
PACKETS_PER_S_MAX: Final = 120

WEATHERS: Final = st.builds(
    Weather,
    loss=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    copies=st.sampled_from([0.0, 0.3]),
    damage=st.sampled_from([0.0, 0.005, 0.02, 0.1]),
    delay_s=st.sampled_from([0.0, 0.02, 0.2, 0.8]),
)


class Peers(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**16), weather=WEATHERS)
    def start(self, seed: int, weather: Weather) -> None:
        self.sim = Simulation(seed)
        self.sim.run(0.1)
        self.sim.weather(weather)
        self.is_plugged = True
        self.next_edge = Edge.DOWN

    @rule(seconds=st.sampled_from([0.004, 0.03, 0.12, 0.7, 3.3, 6.0]))
    def time_passes(self, seconds: float) -> None:
        packets = self.sim.packets
        self.sim.run(seconds)
        assert self.sim.packets - packets <= BURST_MAX + PACKETS_PER_S_MAX * seconds

    @rule(weather=WEATHERS)
    def weather_changes(self, weather: Weather) -> None:
        self.sim.weather(weather)

    @rule(level=st.integers(0, 7))
    def host_shows(self, level: int) -> None:
        self.sim.show(bytes([level << 4 | level]) * PACKED_SIZE)

    @rule(pictures=st.integers(2, 12), gap_s=st.sampled_from([0.003, 0.06, 0.15]))
    def host_animates(self, pictures: int, gap_s: float) -> None:
        for number in range(pictures):
            self.sim.show(bytes([number % 8]) * PACKED_SIZE)
            self.sim.run(gap_s)

    @rule(times=st.integers(1, 20))
    def button_moves(self, times: int) -> None:
        for _ in range(times):
            self.sim.press(self.next_edge)
            self.next_edge = Edge.UP if self.next_edge is Edge.DOWN else Edge.DOWN

    @rule(delay_s=st.sampled_from([0.0, 0.02, 0.3]))
    def journal_slows(self, delay_s: float) -> None:
        self.sim.journal.delay_s = delay_s

    @rule()
    def board_resets(self) -> None:
        self.sim.reset_board()

    @rule()
    def host_is_killed(self) -> None:
        self.sim.kill_host()
        self.is_plugged = True

    @precondition(lambda self: self.is_plugged)
    @rule()
    def cable_is_pulled(self) -> None:
        self.sim.unplug()
        self.is_plugged = False

    @precondition(lambda self: not self.is_plugged)
    @rule()
    def cable_comes_back(self) -> None:
        self.sim.plug()
        self.is_plugged = True

    @rule()
    def all_is_well_within_two_seconds_of_calm(self) -> None:
        if not self.is_plugged:
            self.cable_comes_back()
        self.sim.weather(Weather())
        self.sim.journal.delay_s = 0.0
        self.sim.run(RECOVERY_S)
        sim = self.sim
        assert sim.host.state is HostState.READY
        assert sim.board.state is BoardState.FRESH
        assert len(sim.board.edges) == 0, "an edge is stuck"
        newest = max((v for s, v in sim.pictures if s == sim.session_id), default=0)
        assert (sim.board.frame.version if sim.board.frame else 0) == newest

    @invariant()
    def an_edge_is_reported_once_and_only_if_it_happened(self) -> None:
        reported_ids = [event.edge_id for event in self.sim.journal.edges]
        assert len(reported_ids) == len(set(reported_ids)), "an edge was reported twice"
        assert reported_ids == sorted(reported_ids), "an older edge came after a newer one"
        for event in self.sim.journal.edges:
            assert self.sim.pressed[event.edge_id] == (event.button, event.edge)

    @invariant()
    def an_acknowledged_edge_is_in_the_journal(self) -> None:
        reported_ids = {event.edge_id for event in self.sim.journal.edges}
        assert reported_ids.issuperset(self.sim.acknowledged)

    @invariant()
    def the_display_never_goes_back_and_never_shows_what_was_not_sent(self) -> None:
        assert not self.sim.wrong_pictures
        newest: dict[tuple[int, int], int] = {}
        for boot_id, session_id, version in self.sim.shown:
            assert version >= newest.get((boot_id, session_id), 0), "an older picture came back"
            newest[boot_id, session_id] = version

    @invariant()
    def one_packet_is_outstanding_each_way(self) -> None:
        assert not self.sim.host_window.breaches
        assert not self.sim.board_window.breaches

    @invariant()
    def a_board_without_a_host_sends_nothing_unasked(self) -> None:
        assert not self.sim.unasked

    @invariant()
    def nobody_is_replaced_without_another_host(self) -> None:
        assert self.sim.host.state is not HostState.REPLACED

    def teardown(self) -> None:
        if hasattr(self, "sim"):
            self.all_is_well_within_two_seconds_of_calm()


# The profile `soak` asks for more examples than this.
EXAMPLES: Final = max(300, settings().max_examples)

TestPeers = Peers.TestCase
TestPeers.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
