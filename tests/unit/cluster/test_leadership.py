"""Waiting for leadership across threads misses nothing."""

import asyncio
import threading

from cluster.raft.leadership import Leadership, LeadershipView


def test_before_the_first_turn_nobody_leads() -> None:
    leadership = Leadership()
    assert leadership.view == LeadershipView(0, False, None)
    assert not leadership.is_leader


async def test_waiting_to_lead_returns_the_term() -> None:
    leadership = Leadership()
    waiting = asyncio.get_running_loop().create_task(leadership.wait_until_leader())
    await asyncio.sleep(0)
    leadership.publish(LeadershipView(4, False, "n2"))
    await asyncio.sleep(0)
    assert not waiting.done()
    leadership.publish(LeadershipView(5, True, "n1"))
    assert await waiting == 5
    assert await leadership.wait_until_leader() == 5
    assert await leadership.wait_for_leader() == "n1"


async def test_a_term_counts_as_lost_when_a_later_one_is_led() -> None:
    leadership = Leadership()
    leadership.publish(LeadershipView(5, True, "n1"))
    waiting = asyncio.get_running_loop().create_task(leadership.wait_until_lost(5))
    await asyncio.sleep(0)
    # Lost and won again before the waiting task runs: it must not sleep through it.
    leadership.publish(LeadershipView(6, False, "n2"))
    leadership.publish(LeadershipView(7, True, "n1"))
    await asyncio.wait_for(waiting, 1)
    assert leadership.is_leader


async def test_waiting_is_fed_from_another_thread() -> None:
    leadership = Leadership()
    waiting = asyncio.get_running_loop().create_task(leadership.wait_for_leader())
    await asyncio.sleep(0)
    thread = threading.Thread(target=leadership.publish, args=(LeadershipView(1, False, "n3"),))
    thread.start()
    assert await asyncio.wait_for(waiting, 1) == "n3"
    await asyncio.to_thread(thread.join)


def test_a_closed_loop_with_a_waiter_does_not_stop_the_feed() -> None:
    leadership = Leadership()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(leadership.wait_for_leader())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    leadership.publish(LeadershipView(1, True, "n1"))
    assert leadership.is_leader
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]
    waiting.get_coro().close()


async def test_a_waiter_that_gives_up_leaves_nothing_behind() -> None:
    leadership = Leadership()
    waiting = asyncio.get_running_loop().create_task(leadership.wait_until_leader())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not leadership._waiting
