"""Whose turn it is."""

import asyncio

import pytest

from xairank.dashboard.turns import Stopped, Ticket, Turns


def test_turns_come_in_the_order_of_asking_and_everyone_knows_the_place():
    turns, told, order = Turns(), {0: [], 1: [], 2: []}, []

    async def ask(person, go_on):
        async with turns.turn(Ticket(), told[person].append):
            order.append(person)
            await go_on.wait()

    async def all_of_them():
        signals = [asyncio.Event() for _ in told]
        tasks = [asyncio.create_task(ask(person, signal)) for person, signal in enumerate(signals)]
        for signal, task in zip(signals, tasks, strict=True):
            await asyncio.sleep(0)  # lets the others run up to their wait
            signal.set()
            await task

    asyncio.run(all_of_them())
    assert order == [0, 1, 2]
    assert told == {0: [], 1: [1], 2: [2, 1]}


def test_a_failure_ends_a_turn():
    turns = Turns()

    async def fail():
        async with turns.turn(Ticket(), print):
            raise ValueError("broken")

    async def both():
        with pytest.raises(ValueError, match="broken"):
            await fail()
        async with turns.turn(Ticket(), pytest.fail):
            pass

    asyncio.run(both())


def test_who_stops_waiting_leaves_the_queue_and_the_one_behind_moves_up():
    turns, told = Turns(), []

    async def wait(ticket, tell):
        async with turns.turn(ticket, tell):
            pass

    async def all_of_them():
        leaving = Ticket()
        async with turns.turn(Ticket(), pytest.fail):
            tasks = [asyncio.create_task(wait(leaving, print)), asyncio.create_task(wait(Ticket(), told.append))]
            await asyncio.sleep(0)
            turns.stop(leaving)
            with pytest.raises(Stopped):
                await tasks[0]
        await tasks[1]

    asyncio.run(all_of_them())
    assert told[0] == 2
    assert told[-1] == 1


def test_who_stopped_before_asking_gets_no_turn():
    turns, ticket = Turns(), Ticket()
    turns.stop(ticket)

    async def ask():
        async with turns.turn(ticket, print):
            pytest.fail("has a turn")

    with pytest.raises(Stopped):
        asyncio.run(ask())


def test_who_has_the_turn_is_stopped_where_it_looks():
    turns, ticket = Turns(), Ticket()
    ticket.check()
    turns.stop(ticket)
    with pytest.raises(Stopped):
        ticket.check()


def test_who_stops_goes_at_once_and_the_next_one_begins_when_the_work_is_done():
    turns, order = Turns(), []

    async def leave(ticket):
        async with turns.turn(ticket, print):
            raise Stopped

    async def follow():
        async with turns.turn(Ticket(), print):
            order.append("next")

    async def both():
        ticket = Ticket()
        ticket.work = asyncio.get_running_loop().create_future()
        with pytest.raises(Stopped):
            await leave(ticket)
        following = asyncio.create_task(follow())
        await asyncio.sleep(0)
        order.append("work")
        ticket.work.set_exception(Stopped())
        await following

    asyncio.run(both())
    assert order == ["work", "next"]
