"""The tree of errors: what each can be caught as, and that nothing is lost when one is copied to another process."""

import copy
import pickle

import pytest

import kairos
from kairos import errors
from kairos.errors import (
    BackendError,
    BackendNotFound,
    BackendUnavailable,
    ConfigurationError,
    CountOverflow,
    InvalidValue,
    KairosError,
    PluginError,
    UnknownInterval,
    UnsupportedOperation,
)

TREE = {
    ConfigurationError: (KairosError, ValueError),
    InvalidValue: (KairosError, ValueError),
    UnknownInterval: (KairosError, LookupError),
    UnsupportedOperation: (KairosError, NotImplementedError),
    BackendNotFound: (KairosError, ImportError),
    PluginError: (KairosError, RuntimeError),
    BackendError: (KairosError,),
    BackendUnavailable: (BackendError, ConnectionError),
    CountOverflow: (BackendError, OverflowError),
}
of_the_store = pytest.mark.parametrize("cls", [BackendError, BackendUnavailable, CountOverflow])


@pytest.mark.parametrize(("cls", "bases"), TREE.items())
def test_each_error_is_a_kairos_error_and_a_builtin_one(cls, bases):
    assert cls.__bases__ == bases
    assert issubclass(cls, KairosError)


def test_the_tree_is_whole_and_public():
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    defined = {cls.__name__ for cls in classes if cls.__module__ == errors.__name__}
    assert defined == {cls.__name__ for cls in (KairosError, *TREE)}
    assert defined <= set(kairos.__all__)
    assert defined == set(errors.__all__)
    for name in defined:
        assert name in errors.__doc__ or name == "KairosError"
        assert getattr(kairos, name) is getattr(errors, name)


@of_the_store
def test_an_outcome_is_known_unless_it_is_said_not_to_be(cls):
    assert cls("x").outcome_unknown is False
    assert cls("x", outcome_unknown=True).outcome_unknown is True


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))],
    ids=["copy", "deepcopy", "pickle"],
)
@of_the_store
@pytest.mark.parametrize("unknown", [True, False])
def test_a_copy_still_says_whether_the_outcome_is_unknown(copied, cls, unknown):
    error = copied(cls("timed out", outcome_unknown=unknown))
    assert type(error) is cls
    assert str(error) == "timed out"
    assert error.outcome_unknown is unknown


@pytest.mark.parametrize("cls", TREE)
def test_every_error_survives_pickling(cls):
    error = pickle.loads(pickle.dumps(cls("what went wrong")))
    assert type(error) is cls
    assert str(error) == "what went wrong"
