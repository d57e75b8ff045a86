"""The KeyValue port over Redis or Valkey: `redis://host:6379/0`, by TLS `rediss://`."""

import math
from collections.abc import Awaitable
from typing import TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from tollway.core.errors import Unavailable
from tollway.ports import Clock

CONNECTIONS = 16
CONNECT_S = 1.0
ANSWER_S = 1.0
"""How long one command may take; nobody who calls waits for it, but what it tells grows old."""

ADD = """
redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
"""
"""It answers in digits: a number of Lua's has but 53 bits."""
MOST_BYTES = 1 << 20
"""A longer value is none of ours, whoever put it there, and would only hold us up."""
GET = """
if redis.call('STRLEN', KEYS[1]) > tonumber(ARGV[1]) then return false end
return redis.call('GET', KEYS[1])
"""
SWAP = """
local had = false
if redis.call('STRLEN', KEYS[1]) <= tonumber(ARGV[6]) then had = redis.call('GET', KEYS[1]) end
if had == false then
  if ARGV[1] == '1' then return 0 end
elseif ARGV[1] == '0' or had ~= ARGV[2] then return 0 end
if ARGV[3] == '0' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5]) end
return 1
"""
NO_COUNT = ("not an integer", "overflow", "out of range")
T = TypeVar("T")


class RedisKeyValue:
    """One server, through a bounded pool of connections that are made when first needed."""

    def __init__(self, url: str) -> None:
        """Raises ValueError for a URL that is none."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=ANSWER_S,
            socket_connect_timeout=CONNECT_S,
            socket_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),  # an `add` whose answer was lost must not be done twice
            client_name="tollway",
        )
        self._server: Redis = Redis.from_pool(pool)
        self._get, self._add, self._swap = (self._server.register_script(text) for text in (GET, ADD, SWAP))

    async def get(self, name: str) -> bytes | None:
        """See KeyValue."""
        return cast("bytes | None", await _reached(self._get(keys=[name], args=[MOST_BYTES])))

    async def put(self, name: str, value: bytes, ttl_s: float) -> None:
        """See KeyValue."""
        await _reached(self._server.set(name, value, px=_milliseconds(ttl_s)))

    async def add(self, name: str, by: int, ttl_s: float) -> int:
        """See KeyValue."""
        lasting = _milliseconds(ttl_s)
        return int(cast("int", await _reached(self._add(keys=[name], args=[by, lasting]))))

    async def swap(self, name: str, expected: bytes | None, value: bytes | None, ttl_s: float) -> bool:
        """See KeyValue."""
        stood, stands = int(expected is not None), int(value is not None)
        args: list[bytes | int] = [stood, expected or b"", stands, value or b"", _milliseconds(ttl_s), MOST_BYTES]
        return bool(await _reached(self._swap(keys=[name], args=args)))

    async def close(self) -> None:
        """See KeyValue."""
        await self._server.aclose()


async def _reached(command: Awaitable[T]) -> T:
    try:
        return await command
    except ResponseError as error:
        if any(words in str(error) for words in NO_COUNT):
            raise ValueError("what stands there is no count, or would leave 64 bits") from None
        raise Unavailable(f"the shared store refuses: {error}") from error
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("the shared store (server.shared_url) cannot be reached") from error


def _milliseconds(ttl_s: float) -> int:
    if not ttl_s > 0:
        raise ValueError("an entry must last for some time")
    return math.ceil(ttl_s * 1000)


def key_value(url: str, _clock: Clock) -> RedisKeyValue:
    """`redis://` and `rediss://`."""
    return RedisKeyValue(url)
