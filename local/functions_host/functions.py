"""The app's functions: loaded by path as the worker does, and described."""

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import azure.functions as func

_CONTEXT = "context"  # a parameter of this name needs no binding: it gets the invocation's context
_OUT = 1  # `direction` of an output binding
RETURN = "$return"
"""The name of the binding that is what the function returns."""


class AppRefused(Exception):  # noqa: N818 - an answer to the one who starts the host
    """The app cannot be run here, and why."""


class Trigger(StrEnum):
    """What starts a function."""

    HTTP = "httpTrigger"
    TIMER = "timerTrigger"
    QUEUE = "queueTrigger"
    ORCHESTRATION = "orchestrationTrigger"
    ACTIVITY = "activityTrigger"


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """One function of the app; trigger and bindings are objects of azure.functions."""

    name: str
    kind: Trigger
    trigger: Any
    inputs: tuple[Any, ...]
    """Input bindings other than the trigger."""
    outputs: tuple[Any, ...]
    call: Callable[..., Any]
    wants_context: bool

    @property
    def durable_name(self) -> str:
        """The name by which orchestrators call it."""
        attribute = "orchestration" if self.kind is Trigger.ORCHESTRATION else "activity"
        return getattr(self.trigger, attribute, None) or self.name


def load(app_dir: Path) -> dict[str, Function]:
    """The functions of `app_dir`/function_app.py by name; raises AppRefused."""
    path = app_dir / "function_app.py"
    spec = importlib.util.spec_from_file_location("function_app", path)
    if spec is None or spec.loader is None or not path.exists():
        raise AppRefused(f"There is no {path}.")
    if str(app_dir) not in sys.path:
        sys.path.insert(0, str(app_dir))
    module = importlib.util.module_from_spec(spec)
    sys.modules["function_app"] = module
    spec.loader.exec_module(module)
    apps = [each for each in vars(module).values() if isinstance(each, func.FunctionRegister)]
    if len(apps) != 1:
        raise AppRefused(f"{path} must define exactly one app at its top level, not {len(apps)}.")
    return _described(apps[0].get_functions())


def of_kind(functions: dict[str, Function], kind: Trigger) -> list[Function]:
    return [each for each in functions.values() if each.kind is kind]


def _described(functions: Iterable[Any]) -> dict[str, Function]:
    found: dict[str, Function] = {}
    for each in functions:
        function = _describe(each)
        if function.name in found:
            raise AppRefused(f"Two functions are named {function.name}.")
        found[function.name] = function
    return found


def _describe(built: Any) -> Function:
    name, trigger = built.get_function_name(), built.get_trigger()
    if trigger.type not in set(Trigger):
        raise AppRefused(f"{name}: this host has no {trigger.type}.")
    bindings = [each for each in built.get_bindings() if each is not trigger]
    call = built.get_user_function()
    parameters = set(inspect.signature(call).parameters)
    function = Function(
        name=name,
        kind=Trigger(trigger.type),
        trigger=trigger,
        inputs=tuple(each for each in bindings if each.direction != _OUT),
        outputs=tuple(each for each in bindings if each.direction == _OUT),
        call=call,
        wants_context=_CONTEXT in parameters and trigger.name != _CONTEXT,
    )
    _check(function, parameters)
    return function


def _check(function: Function, parameters: set[str]) -> None:
    """What the worker refuses: parameters and bindings that do not match."""
    bound = {each.name for each in (function.trigger, *function.inputs, *function.outputs)}
    bound -= {RETURN}
    if missing := bound - parameters:
        raise AppRefused(f"{function.name} has no parameter for its binding {sorted(missing)}.")
    if unbound := parameters - bound - {_CONTEXT}:
        raise AppRefused(f"{function.name} has no binding for its parameter {sorted(unbound)}.")
    for each in function.inputs:
        if each.type != "durableClient":
            raise AppRefused(f"{function.name}: this host has no input binding {each.type}.")
    for each in function.outputs:
        if each.type not in ("http", "queue"):
            raise AppRefused(f"{function.name}: this host has no output binding {each.type}.")
