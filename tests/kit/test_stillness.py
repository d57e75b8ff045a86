"""Whatever stops all threads waits for those that must not be stopped."""

import threading

from tollway.kit.stillness import await_moment, unstopped


def test_it_waits_until_the_last_of_them_is_done() -> None:
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with unstopped():
            inside.set()
            assert leave.wait(10)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert inside.wait(10)
    assert not await_moment(0.05)
    leave.set()
    assert await_moment(10)
    for thread in threads:
        thread.join()


def test_what_fails_is_over_too() -> None:
    try:
        with unstopped():
            raise LookupError
    except LookupError:
        assert await_moment(0)
