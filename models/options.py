"""Options of networks and of the AlexNet post's flat dictionary, checked where they enter the library.

The post gives one dictionary (`hp_d`) to the model, the optimizer, `train` and `predict`, and each takes its own
options. Here a function's signature names its options, and a key that no function names is an error.
"""

import difflib
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

# The options of learning that the dictionary may hold. The models cannot import the configuration, so its names are
# repeated here; a test compares them with RunConfig.
LEARNING_KEYS = frozenset(
    {
        *("batch_size", "num_epochs", "augment_train", "augment_pred", "score_threshold", "seed", "select"),
        *("save_every_steps", "keep_checkpoints", "tensorboard", "profile", "test_crops"),
        *("init_learning_rate", "momentum", "beta1", "beta2", "epsilon", "rmsprop_decay", "clip_norm"),
        *("rate_factors", "linear_probe", "sync_batch_norm", "reference_batch_size"),
        *("schedule", "learning_rate_patience", "learning_rate_decay", "min_learning_rate", "eps"),
        *("boundaries", "warmup_steps", "early_stopping_patience"),
    }
)
# The options that the `**kwargs` of a network's method may hold.
MODEL_KEYS = frozenset(
    {"weight_decay", "weight_decay_on", "label_smoothing", "class_weights", "dropout_prob"}
)
KNOWN_KEYS = LEARNING_KEYS | MODEL_KEYS | {"image_mean", "precision", "freeze"}


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a clause that proposes the known words nearest to `word`, or lists them all."""
    candidates = sorted(known)
    near = difflib.get_close_matches(word, candidates, n=2, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(match) for match in near) + "?"
    return "known are: " + ", ".join(candidates)


def check(holds: bool, name: str, value: object, expected: str) -> None:
    """Raise ValueError, with the option's value and the expected one, unless the condition `holds`."""
    if not holds:
        raise ValueError(f"{name} is {value!r}; it must be {expected}")


def check_among(name: str, value: object, known: Collection[str]) -> None:
    """Raise ValueError unless the option is one of the `known` words."""
    check(value in known, name, value, f"one of {', '.join(known)}")


def is_size(value: object) -> bool:
    """Return whether a value is a positive integer."""
    return isinstance(value, int) and value > 0


def check_sizes(name: str, sizes: Any, count: int | None = None) -> None:
    """Raise ValueError unless `sizes` is a list of positive integers: of `count`, or of one or more."""
    holds = isinstance(sizes, Sequence) and all(map(is_size, sizes))
    holds = holds and (len(sizes) > 0 if count is None else len(sizes) == count)
    check(holds, name, sizes, f"a list of {count or 'one or more'} positive integers")


def accepted(function: Callable[..., Any], hp: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of `hp` that `function` takes by name: all of them if it has `**kwargs`."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(hp)
    names = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    return {key: value for key, value in hp.items() if key in names}


def bound(function: Callable[..., Any], hp: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that `function` names, with their values in `hp` or else their defaults.

    If it has `**kwargs`, the entries of `hp` that can only be a model's are added.
    """
    parameters = inspect.signature(function).parameters.values()
    named = {p.name: hp.get(p.name, p.default) for p in parameters if p.kind is not p.VAR_KEYWORD}
    values = {name: value for name, value in named.items() if value is not inspect.Parameter.empty}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        values |= {key: hp[key] for key in hp if key not in KNOWN_KEYS or key in MODEL_KEYS}
    return values


def reject_unknown(
    hp: Mapping[str, Any],
    owner: str,
    *functions: Callable[..., Any],
    passed_over: frozenset[str] = KNOWN_KEYS,
) -> None:
    """Raise TypeError for a key of `hp` that is neither taken by one of `functions` nor one of `passed_over`.

    A function with `**kwargs` takes any key.
    """
    taken = {key for function in functions for key in accepted(function, hp)}
    named = {name for function in functions for name in inspect.signature(function).parameters}
    for key in hp:
        if key not in taken and key not in passed_over:
            known = (passed_over | named) - {"self", "kwargs", "hp"}
            raise TypeError(f"{owner} got an unknown option {key!r}; {suggestion(key, known)}")
