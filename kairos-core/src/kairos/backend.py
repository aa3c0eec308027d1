"""The contract of a backend: what a plugin implements to keep kairos's data in another store.

A backend is a class that is found by an entry point (group ``kairos.backends``, named after the URL scheme; group
``kairos.clients``, named after the top-level package of a client object). The core does everything that is not
storage: it validates, groups, decides what is visible, and shapes the answers. A backend stores *shapes* and never
looks at the kind or the calendar. It decides nothing by a clock of its own, since what is visible depends on the reader
alone; it may reclaim by the server's clock what the server has expired (`Cell.expires_at`), never by a reader's
cutoffs.

Flows
-----
Every verb returns either its value or a *flow*: a generator that yields what the driver's calls return, and
is sent their results. ``reply = yield client.hgetall(key)`` serves a blocking client (the value is there already and
comes straight back) and its asynchronous twin (the awaitable is awaited) with the same line; errors are raised at the
``yield`` in both. Everything awaitable that is yielded is awaited, so yield what calls return, never a client; a bare
``yield`` gives the event loop a turn, which a long flow does every few milliseconds. Hold no thread lock across a
``yield``. A backend that only blocks sets ``blocking = True`` and may ignore flows altogether: under AsyncTimeseries
its verbs run in one worker thread.

Errors
------
A driver's exception never leaves a verb bare: raise `BackendError` or `BackendUnavailable` ``from`` it, in one place.
What a user's own callable raises (a custom fetch) passes through; what is raised while a command is executed that it
queued is a BackendError. No message may hold a password.

``tests-conformance`` (distribution kairos-conformance) checks every sentence here against a backend.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, Self, TypeAlias, TypeVar

from attrs import field, frozen

from kairos.plans import Aggregate, Batch, Bounds, Cutoffs, Expiry, Interval, Query, Rows, Selector
from kairos.values import ValueType, value_type

__all__ = ["API_VERSION", "Backend", "Capabilities", "Flow", "Result", "Shape", "StoreConfig"]

API_VERSION = 1
"""The version of this contract. A backend states the one that it was written for."""

T = TypeVar("T")
Flow: TypeAlias = Generator[Any, Any, T]
"""A verb that yields what the driver's calls return, is sent their results, and returns its own."""

Result: TypeAlias = T | Flow[T]
"""What a verb returns: its value, or a flow that returns it."""


class Shape(StrEnum):
    """How the data of a cell is stored. Each of the five kinds names one; a later kind may share one."""

    LIST = "list"
    COUNTERS = "counters"
    COUNTER = "counter"
    REGISTER = "register"
    SET = "set"


@frozen(kw_only=True)
class Capabilities:
    """What a backend can do. Declared means that it must work, not declared that it must refuse as said here.

    Valid from construction on; `Backend.prepare` may still narrow it to what the server can do.
    """

    native_expiry: frozenset[Shape] = frozenset()
    """The shapes whose cells the server removes by itself after ``expires_at``: never earlier, and within minutes. For
    these the core refuses `Timeseries.expire` with `UnsupportedOperation`, for the others it deletes what is past."""

    narrow_delete: frozenset[Shape] = frozenset(Shape)
    """The shapes of which a range of buckets can be deleted; for the others the core refuses a narrowed delete with
    `UnsupportedOperation`."""

    float_counts: bool = True
    """Counts may grow by floats; else a float is a ValueError."""

    checked_counts: bool = True
    """An addition that would take a count out of 64 bits raises `CountOverflow` and changes nothing; else the store's
    own arithmetic decides (a guarantee: it refuses nothing)."""

    atomic_batch: bool = False
    """A batch is written as a whole or not at all (a guarantee)."""

    multi_process: bool = True
    """Other processes see the data and may write at the same time (a guarantee)."""

    typed_container: str | None = None
    """The constructor's keyword that names the table or collection, if one holds a single type of values: opening it
    with another type or ``value_type`` is a `ConfigurationError` that names it. None: nothing to refuse, since there is
    no schema, or one for all types together."""

    aggregates: frozenset[Aggregate] = frozenset()
    """What a `Query` may ask for instead of the data of lists, counters and sets; else the core asks for the data, so
    nothing is refused. It asks where the answer is the same to the last bit: for the count of values of any type, for
    min and max of ints and floats, and for the sum of ints, which may be past 64 bits."""

    max_life: int | None = None
    """For how many seconds from now a cell can be kept, where it is to expire; None: for any time. More is a
    `ConfigurationError` if the steps of an interval ask for it, and a ValueError that names the timestamp if its bucket
    lies too far in the future."""

    max_name_bytes: int | None = None
    """The longest name of a series or an interval, in bytes of UTF-8; a longer one is a ValueError."""


@frozen(kw_only=True)
class StoreConfig:
    """What a backend needs to know of the configuration.

    ``prefix`` (without the one colon that may end it) and ``type`` are the namespace, to be kept apart from any other.
    ``value_type`` is what the user gave, None for the backend's default. With ``create=False`` no table, collection,
    keyspace or index may be made. ``client_config`` are keywords for the driver's constructor, ``options`` the
    constructor's keywords that the core does not know: structure them with `kairos.config.structure`.
    """

    prefix: str
    type: str
    shape: Shape
    intervals: Mapping[str, Interval] = field(factory=dict)
    value_type: object = None
    create: bool = True
    client_config: Mapping[str, Any] = field(factory=dict, repr=False)  # it may hold a password, and so may options
    options: Mapping[str, Any] = field(factory=dict, repr=False)


class Backend(ABC):
    """A store. One instance serves one Timeseries (one namespace, one shape) and may be used by many threads."""

    api_version: ClassVar[int] = API_VERSION
    blocking: ClassVar[bool] = False
    """True if the verbs block in both colours; the core then keeps them out of the event loop."""
    default_value_type: ClassVar[str] = "any"
    """The name of the type of values where the user names none."""
    options: ClassVar[Mapping[str, type]] = {}
    """For each public verb (``insert``, ``get``, …) that takes extra keywords, the attrs class that holds them. It
    reaches the backend in the plan, or as ``options``."""

    shapes: frozenset[Shape] = frozenset(Shape)
    capabilities: Capabilities = Capabilities()
    value_type: ValueType
    """Decides which values are accepted and in what form they reach `write`; set by the constructor."""

    @classmethod
    @abstractmethod
    def open(cls, target: Any, config: StoreConfig, *, asynchronous: bool) -> Self:
        """Make a backend on a URL (a str) or on the user's own client, without any I/O.

        A driver whose constructor connects is constructed at the first verb; a bad URL is still reported here. Who
        opens closes: `close` closes what was opened from a URL and never a client of the user's. A target of another
        kind, a client of the other colour, a prefix that is too long and an unknown option is a `ConfigurationError`.
        A backend that only blocks serves both colours, and need not look at ``asynchronous``.
        """

    @property
    @abstractmethod
    def owns_client(self) -> bool:
        """Whether `close` has something to close, because the client was made here from a URL. A Timeseries that
        owns one and is dropped without being closed gives a ResourceWarning.
        """

    @classmethod
    def resolve_value_type(cls, spec: object) -> ValueType:
        """The type that a user's ``value_type`` names; override to accept more. Unknown: `ConfigurationError`."""
        return value_type(cls.default_value_type if spec is None else spec)

    @abstractmethod
    def prepare(self, *, writing: bool) -> Result[bool]:
        """Find the schema, and make it before the first insert (``writing``) if ``config.create``. Called before each
        verb until it returns True, and again in a child after a fork; True is final: deleting everything must not
        remove the schema. Runs outside of any session of the verb; safe to call at the same time from threads and
        processes.

        Returns whether the schema is there. If it is not: with ``create=False`` raise a `BackendError` that names what
        is missing, else return False (only when reading: the core then answers "no data" without calling the verb).
        A schema of another type or value_type is a `ConfigurationError`. Stores without a schema return True.
        """

    @abstractmethod
    def write(self, batch: Batch) -> Result[None]:
        """Add all cells of a batch: append to lists, add to counters, replace registers, unite sets. The payloads are
        not the backend's: it copies what it keeps.

        Several writers may do so at the same time, and every sum stays exact. A failure raises, once no request is
        under way any more; a write whose outcome is unknown is not repeated, and its error has
        ``outcome_unknown=True``. A cell that the store cannot hold is an `InvalidValue` before anything is sent. Where
        an option hands over the sending (a pipeline of the caller's), errors after queuing are the caller's.
        """

    @abstractmethod
    def read(self, query: Query) -> Result[Rows]:
        """The cells of all names in the range, decoded: list → list, counters → dict, counter → int or float,
        register → value, set → set; each value as `value_type` accepted it, of the same Python type. A coarse interval
        reads only cells without a resolution bucket, a fine one only cells with one. What is returned belongs to the
        caller, who may change it. With ``query.aggregates``, which is only asked of who declares them, the data of a
        cell is a tuple of these.
        """

    @abstractmethod
    def adapt(self, fetch: Callable[..., Any]) -> Callable[[Query], Result[Rows]]:
        """Turn a user's custom fetch into a read. Its signature and its return value are the backend's own, and
        documented; it is called with bucket ids as stored, once per name or as documented. Where it is called for
        buckets that do not exist, None and an empty container are no data; 0 and '' are data.
        """

    @abstractmethod
    def names(self, cutoffs: Cutoffs, options: Any = None) -> Result[Sequence[str]]:
        """The names that have visible data in one of these intervals, each once, in any order. Costs what it returns,
        not what else the store holds.
        """

    @abstractmethod
    def bounds(self, names: Sequence[str], cutoffs: Cutoffs, options: Any = None) -> Result[Bounds]:
        """The first and the last bucket with visible data, per name and interval, for all names at once. Right after
        late inserts, expiry and deletes.
        """

    @abstractmethod
    def delete(self, selector: Selector) -> Result[int]:
        """Remove cells; returns how many of them were visible (see `Selector`; 0 if all of the namespace is removed).
        Never touches another namespace, or what kairos did not write.
        """

    @abstractmethod
    def expire(self, expiry: Expiry) -> Result[int]:
        """Remove cells that are past; returns how many. Only called for shapes without native expiry. Must work without
        `prepare`, whatever the value type of the stored data; 0 if there is no schema.
        """

    @abstractmethod
    def close(self) -> Result[None]:
        """Close what `open` opened. The core calls it once."""

    def after_fork(self) -> None:  # noqa: B027 - most backends that do not own a client have nothing to do
        """Called in the child after a fork: make locks of the backend's own anew and, if the client was opened here,
        forget inherited connections without closing them, so that the next verb opens new ones. It runs inside of
        ``os.register_at_fork``, perhaps before the driver's own hook: no call of the driver that takes a lock.

        A driver that lets a process open a file only once must close it here. Then let a fork wait until no call is
        under way: ``os.register_at_fork(before=lock.acquire, …)``.
        """
