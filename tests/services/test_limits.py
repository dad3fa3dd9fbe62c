"""A limit holds for all web processes together, by a real Redis; without it, for each alone."""

import pytest
import urllib3

from tests.hostile.cast import Web
from tests.hostile.conftest import world  # noqa: F401  # A fixture.
from tests.services.test_workers import processes, redis  # noqa: F401  # Fixtures.
from webhooks.buckets import Shared

pytestmark = pytest.mark.services


def shared(url, **more):
    return Shared("test", url=url, **{"per_second": 0.5, "at_once": 3, **more})


def test_two_processes_have_one_limit(redis):  # noqa: F811  # A fixture.
    one, another = shared(redis.url), shared(redis.url)

    waits = [each.wait_seconds("a") for each in (one, another, one, another, one)]

    assert waits[:3] == [0, 0, 0]
    assert all(1 <= each <= 2 for each in waits[3:])
    assert another.wait_seconds("b") == 0


def test_tokens_come_back_as_time_goes_by(redis):  # noqa: F811  # A fixture.
    one, another = shared(redis.url, per_second=100.0), shared(redis.url, per_second=100.0)
    while not one.wait_seconds("a"):
        pass

    # A hundredth of a second is enough, and a machine may ask very often in it.
    assert any(not another.wait_seconds("a") for _ in range(10_000_000))


def test_while_redis_is_away_each_process_counts_alone(redis):  # noqa: F811  # A fixture.
    one, another = shared(redis.url), shared(redis.url)
    one.wait_seconds("a")
    redis.kill()

    waits = [[each.wait_seconds("a") for _ in range(4)] for each in (one, another)]

    assert [[bool(wait) for wait in some] for some in waits] == [
        [False, False, True, True],
        [False, False, False, True],
    ]


@pytest.mark.django_db
def test_a_key_has_one_limit_at_two_web_processes(world, redis, tmp_path):  # noqa: F811  # Fixtures.
    few = {"BILLY_REQUESTS_AT_ONCE": "10", "BILLY_REQUESTS_PER_SECOND": "0.1"}
    with Web(tmp_path / "web.log", REDIS_URL=redis.url, **few) as web, urllib3.PoolManager() as app:
        statuses = [
            app.request(
                "GET",
                f"http://127.0.0.1:{web.port}/v1/customers",
                headers={"Authorization": f"Bearer {world.ours.api_key}", "Connection": "close"},
                retries=False,  # It would wait as long as it is told, and ask again.
            ).status
            for _ in range(40)
        ]

    assert statuses == [200] * 10 + [429] * 30
