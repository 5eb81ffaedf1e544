"""Oracles that a user names: a model file, an ONNX file, a URL or a function, with the access that a client has."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealproof.defenses.answers.labels_only import LabelsOnly
from stealproof.defenses.answers.round_scores import RoundScores
from stealproof.defenses.answers.top_k import TopK
from stealproof.errors import AccessDenied, InputError, InvalidData, UnknownName
from stealproof.inputs import _python
from stealproof.oracle import Access, Answer, Budget, Oracle, Transcript, narrowed
from stealproof.oracles.guarded import GuardedOracle
from stealproof.roles.dataset import Dataset
from stealproof.roles.guard import Guard

if TYPE_CHECKING:
    from stealproof.training.trained import Trained

ACCESSES = ("labels", "top-K", "probabilities", "logits")
PATTERN = re.compile(
    r"(?P<answer>labels|top-(?P<k>\d+)|probabilities|logits)(:(?P<decimals>\d+))?(?P<incomplete>\+incomplete)?"
)
SHARED = frozenset({"url", "path", "domain", "classes", "access", "budget", "transcript"})
"""Parameters of every oracle that are no options of a user's."""
TELLING = {Answer.LABELS: 0, Answer.TOP_K: 1, Answer.PROBABILITIES: 2, Answer.LOGITS: 3}
"""Which access can be narrowed to which: from a higher number to a lower one."""


def parse_access(text: str) -> Access:
    """What a client sees, from words.

    Args:
        text: ``labels``, ``top-3``, ``probabilities`` or ``logits``; ``:2`` behind it rounds to two decimals, and
            ``+incomplete`` at the end lets queries miss features (decision trees): ``probabilities:2+incomplete``.

    Raises:
        InputError: other words.
    """
    match = PATTERN.fullmatch(text.strip().lower().replace("_", "-"))
    if match is None or (match["k"] is not None and int(match["k"]) < 1):
        raise InputError(
            f"no access is called {text!r}; expected one of {', '.join(ACCESSES)},"
            " with :D for D decimals, for example top-3:2"
        )
    top = match["k"] is not None
    decimals = match["decimals"]
    if decimals is not None and match["answer"] == "labels":
        raise InputError(f"labels have no decimals, got {text!r}; expected labels")
    return Access(
        answer=Answer.TOP_K if top else Answer(match["answer"]),
        top_k=int(match["k"]) if top else None,
        decimals=None if decimals is None else int(decimals),
        incomplete=match["incomplete"] is not None,
    )


def open_oracle(
    spec: str,
    *,
    data: Dataset | None = None,
    access: Access | None = None,
    budget: Budget | None = None,
    transcript: Transcript | None = None,
    **options: Any,
) -> Oracle:
    """The model behind ``spec``, as a client sees it who has this access.

    Args:
        spec: a model file (``.safetensors`` or ``.onnx``), ``http(s)://HOST/v2/models/NAME``, or
            ``package.module:function`` returning a network, an estimator or an ``Oracle``.
        data: tells the legal inputs and the classes of a model that does not tell them itself.
        access: what answers contain; None for all that the model gives.
        budget: meter of queries.
        transcript: keeps what is asked and answered.
        options: constructor parameters of the ONNX or HTTP oracle, for instance ``softmax=True`` or ``batch=256``.

    Raises:
        AccessDenied: the model gives less than ``access``.
        InvalidData: damaged files, or a model that does not fit ``data``.
        UnsafeFile: a pickle.
        OracleUnavailable: a server that does not answer.
        UnknownName: an option that this kind of oracle does not have.
    """
    if spec.startswith(("http://", "https://")):
        from stealproof.oracles.http import HttpOracle

        return narrow(_construct(HttpOracle, spec, data, access, options), access, budget=budget, transcript=transcript)
    if Path(spec).suffix.lower() == ".onnx":
        from stealproof.oracles.onnx import OnnxOracle

        if access is not None and access.answer in (Answer.PROBABILITIES, Answer.TOP_K) and "softmax" not in options:
            # Our own file: whether its scores are logits can be seen, so nobody needs to say so.
            found = _construct(OnnxOracle, spec, data, None, options).access.answer
            options["softmax"] = found is Answer.LOGITS
        return narrow(_construct(OnnxOracle, spec, data, access, options), access, budget=budget, transcript=transcript)
    # Not at the top of the file, so that a judge of servers needs no deep-learning framework.
    from stealproof.inputs.model import open_model, trained_from

    if options:
        raise InputError(f"a local model takes no options of a connection, got {next(iter(options))!r}; drop it")
    if _python.is_function(spec):
        victim: Any = _python.call(spec)
        if not isinstance(victim, Oracle):
            domain, classes = (data.domain, data.classes) if data is not None else (None, None)
            victim = trained_from(victim, spec, domain=domain, classes=classes)
    else:
        victim = open_model(spec)
    if data is not None and (victim.domain.shape, victim.classes) != (data.domain.shape, data.classes):
        raise InvalidData(
            f"{spec} takes inputs of shape {victim.domain.shape} in {victim.classes} classes, but {data.name} has"
            f" {data.domain.shape} in {data.classes}; name the data that the model is for"
        )
    return narrow(victim, access, budget=budget, transcript=transcript)


def narrow(
    victim: Trained | Oracle,
    access: Access | None,
    *,
    budget: Budget | None = None,
    transcript: Transcript | None = None,
) -> Oracle:
    """``victim`` as a client sees it who has only this access; None for all that it gives.

    Labels, probabilities and logits come from the model itself; top-k and rounding from guards in front of it, which
    are those that a gateway runs.

    Raises:
        AccessDenied: it gives less than that.
    """
    if isinstance(victim, Oracle):
        guards = [] if access is None else _guards(access, victim.access)
        if not guards and budget is None and transcript is None:
            return victim
        return GuardedOracle(victim, guards, budget=budget, transcript=transcript)
    given = access or _all_of(victim)
    guards = _guards(given, _native(given))
    meters: dict[str, Any] = {"budget": budget, "transcript": transcript}
    if not guards:
        return victim.oracle(_native(given), **meters)
    return GuardedOracle(victim.oracle(_native(given)), guards, **meters)


def _all_of(victim: Trained) -> Access:
    scores = victim.is_network or hasattr(victim.model, "predict_proba")
    return Access(answer=Answer.PROBABILITIES if scores else Answer.LABELS)


def _native(access: Access) -> Access:
    """What a model itself must give, for guards to make ``access`` of it."""
    answer = Answer.PROBABILITIES if access.answer is Answer.TOP_K else access.answer
    return narrowed(access, answer=answer, top_k=None, decimals=None)


def _guards(access: Access, given: Access) -> list[Guard]:
    """The guards that turn answers of ``given`` into those of ``access``."""
    too_telling = TELLING.get(access.answer, 9) > TELLING.get(given.answer, -1)
    too_many = given.top_k is not None and (access.top_k or 0) > given.top_k
    too_exact = given.decimals is not None and access.answer is not Answer.LABELS
    too_exact = too_exact and (access.decimals is None or access.decimals > (given.decimals or 0))
    if too_telling or too_many or too_exact or (access.incomplete and not given.incomplete):
        raise AccessDenied(f"the model gives {given}, which is less than {access}; ask for what it gives")
    if given.answer is Answer.LOGITS and access.answer in (Answer.PROBABILITIES, Answer.TOP_K):
        raise AccessDenied(f"the model gives logits, not {access}; say softmax=true to have them turned into those")
    guards: list[Guard] = []
    if access.answer is Answer.LABELS and given.answer is not Answer.LABELS:
        guards.append(LabelsOnly())
    if access.answer is Answer.TOP_K and access.top_k is not None and access.top_k != given.top_k:
        guards.append(TopK(k=access.top_k))
    if access.decimals is not None and access.decimals != given.decimals:
        guards.append(RoundScores(decimals=access.decimals))
    return guards


def _construct(
    kind: Callable[..., Oracle], spec: str, data: Dataset | None, access: Access | None, options: dict[str, Any]
) -> Oracle:
    """An ONNX or HTTP oracle with these options, ``timeout``, ``retries`` and the like being those of its patience."""
    known = set(inspect.signature(kind).parameters) - SHARED
    arguments = dict(options)
    if "patience" in known:
        from stealproof.oracles._transport import Patience

        fields = {field.name for field in dataclasses.fields(Patience)}
        patience = {key: arguments.pop(key) for key in list(arguments) if key in fields}
        if patience:
            arguments["patience"] = _made(Patience, patience, options)
        known = known - {"patience"} | fields
    for key in options:
        if key not in known:
            raise UnknownName.among("option of the target", key, known)
    arguments |= {"access": None if access is None else _native(access)}
    if data is not None:
        arguments |= {"domain": data.domain, "classes": data.classes}
    oracle: Oracle = _made(functools.partial(kind, spec), arguments, options)
    return oracle


def _made(kind: Callable[..., Any], arguments: dict[str, Any], options: dict[str, Any]) -> Any:
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"an option of the target has a value of a wrong kind ({error}): {sorted(options)}") from error
