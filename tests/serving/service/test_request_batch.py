import asyncio

import numpy as np
import pytest

from encas.runtime.executor import Prediction
from encas.serving.protocol.protocol import Refusal
from encas.serving.service.request_batch import Batch, Ticket, refuse


def run(work):
    async def live():
        return work(asyncio.get_running_loop().create_future)

    return asyncio.run(live())


def ticket_of(future, *numbers, arrived_s=0.0):
    samples = np.array(numbers, np.float32)
    return Ticket(samples=samples, arrived_s=arrived_s, deadline_s=None, future=future())


def prediction_of(n):
    return Prediction(
        label=np.arange(n),
        stage=np.arange(n) + 10,
        probabilities=np.arange(2 * n, dtype=np.float32).reshape(n, 2),
    )


def test_batch_knows_its_rows_what_waits_behind_it_and_how_long_the_oldest_waits():
    def work(future):
        tickets = [ticket_of(future, 1, 2, arrived_s=1.0), ticket_of(future, 3, arrived_s=2.5)]
        return Batch.of(tickets, n_rows=7, now_s=4.0)

    batch = run(work)
    load = batch.load
    assert (load.now_s, load.batch_rows, load.n_rows, load.oldest_wait_s) == (4.0, 3, 7, 3.0)
    assert batch.samples().tolist() == [1, 2, 3]


def test_samples_of_a_request_alone_are_not_copied():
    def work(future):
        ticket = ticket_of(future, 1, 2)
        return Batch.of([ticket], n_rows=2, now_s=0.0).samples() is ticket.samples

    assert run(work)


def test_samples_of_several_inputs_are_put_together_input_by_input():
    def ticket(future, *numbers):
        made = ticket_of(future)
        made.samples = {"input": np.array(numbers), "input_2": -np.array([numbers]).T}
        return made

    def work(future):
        tickets = [ticket(future, 1, 2), ticket(future, 3)]
        alone = Batch.of(tickets[:1], n_rows=2, now_s=0.0)
        assert alone.samples() is tickets[0].samples
        return Batch.of(tickets, n_rows=3, now_s=0.0)

    batch = run(work)
    assert ([t.n_rows for t in batch.tickets], batch.load.batch_rows) == ([2, 1], 3)
    assert {name: x.tolist() for name, x in batch.samples().items()} == {
        "input": [1, 2, 3],
        "input_2": [[-1], [-2], [-3]],
    }


def test_every_request_gets_its_own_rows():
    def work(future):
        tickets = [ticket_of(future, *range(n)) for n in (2, 1, 3)]
        Batch.of(tickets, n_rows=6, now_s=0.0).hand_out(prediction_of(6), "c")
        return [ticket.future.result() for ticket in tickets]

    answers = run(work)
    assert [answer.label.tolist() for answer in answers] == [[0, 1], [2], [3, 4, 5]]
    assert [answer.stage.tolist() for answer in answers] == [[10, 11], [12], [13, 14, 15]]
    assert answers[1].probabilities.tolist() == [[4, 5]]
    assert {answer.cascade for answer in answers} == {"c"}


def test_request_that_was_given_up_takes_its_rows_with_it():
    def work(future):
        tickets = [ticket_of(future, 1, 2), ticket_of(future, 3)]
        tickets[0].future.cancel()
        Batch.of(tickets, n_rows=3, now_s=0.0).hand_out(prediction_of(3), "c")
        return tickets[1].future.result().label.tolist()

    assert run(work) == [2]


def test_refusal_reaches_those_that_still_wait_and_nobody_else():
    def work(future):
        answered, waiting, gone = (ticket_of(future, 1) for _ in range(3))
        answered.future.set_result("answer")
        gone.future.cancel()
        refuse([answered, waiting, gone], Refusal("expired", "too late"))
        assert gone.future.cancelled()
        with pytest.raises(Refusal, match="too late"):
            waiting.future.result()
        return answered.future.result()

    assert run(work) == "answer"
