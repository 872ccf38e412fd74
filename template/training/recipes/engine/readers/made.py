"""What stands for an object in a pickle: who asks for it need not know how pickles are read."""

from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Made:
    """What a call would have made, had it been called."""

    name: str
    arguments: tuple[object, ...]
    state: object = None
    entries: dict[object, object] = field(default_factory=dict)
