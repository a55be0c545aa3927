import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context

import pytest

from safelight_emit import bind, carry, current


def test_bindings_nest_and_the_inner_wins():
    with bind(workflow_id="wf-1", user_id="ada"):
        with bind(user_id="bob", request_id="r"):
            assert current() == {"workflow_id": "wf-1", "user_id": "bob", "request_id": "r"}
        assert current() == {"workflow_id": "wf-1", "user_id": "ada"}
    assert current() == {}


def test_none_removes_a_field():
    with bind(user_id="ada"), bind(user_id=None):
        assert current() == {}


def test_a_binding_ends_with_an_exception():
    with pytest.raises(ValueError, match="x"), bind(a=1):
        raise ValueError("x")
    assert current() == {}


def test_one_binding_may_be_entered_again_inside_itself():
    binding = bind(a=1)
    with binding, binding:
        assert current() == {"a": 1}
    assert current() == {}


def test_bound_values_are_copied_when_bound():
    size = [512]
    with bind(size=size):
        size.append(0)
        assert current() == {"size": [512]}


def test_what_current_returns_may_be_changed_freely():
    with bind(a=1):
        current()["a"] = 2
        assert current() == {"a": 1}


def test_it_decorates_a_function():
    @bind(job="nightly")
    def work(x):
        """Doc."""
        return x, current()

    assert work(1) == (1, {"job": "nightly"})
    assert work.__doc__ == "Doc."
    assert current() == {}


async def remember(seen, name):
    await asyncio.sleep(0)
    seen[name] = current()


def test_it_decorates_an_async_function_and_tasks_do_not_mix():
    async def main():
        seen = {}

        def handler(name):
            return bind(request_id=name)(remember)(seen, name)

        await asyncio.gather(*(handler(name) for name in "abc"))
        return seen

    assert asyncio.run(main()) == {name: {"request_id": name} for name in "abc"}


def test_it_refuses_generators_whose_body_would_run_elsewhere():
    with pytest.raises(TypeError, match="bind around its consumer"):

        @bind(a=1)
        def rows():
            yield 1


def test_tasks_inherit_what_was_bound_where_they_were_made():
    async def main():
        seen = {}
        with bind(workflow_id="wf"):
            task = asyncio.create_task(remember(seen, "task"))
        await task
        return seen

    assert asyncio.run(main()) == {"task": {"workflow_id": "wf"}}


def test_a_binding_closed_in_another_context_does_no_harm():
    binding = bind(a=1)
    Context().run(binding.__enter__)
    binding.__exit__(None, None, None)
    assert current() == {}


def test_a_new_thread_starts_empty_and_carry_takes_the_context_along():
    seen = []
    with bind(workflow_id="wf"):
        threads = [threading.Thread(target=target) for target in (lambda: seen.append(current()),)]
        threads.append(threading.Thread(target=carry(lambda: seen.append(current()))))
    for thread in threads:
        thread.start()
        thread.join()
    assert seen == [{}, {"workflow_id": "wf"}]


def test_a_carried_function_may_run_in_many_threads_at_once():
    together = threading.Barrier(4, timeout=60)

    def work(number):
        with bind(number=number):
            together.wait()
            return current()

    with ThreadPoolExecutor(4) as pool, bind(workflow_id="wf"):
        results = list(pool.map(carry(work), range(4)))
    assert results == [{"workflow_id": "wf", "number": number} for number in range(4)]
