"""What Linux says about the processor."""

from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")


def processor_facts(key: str) -> list[str]:
    """The values of `key` ("model name", "flags"), one for each logical processor; empty on other systems."""
    if not CPU_INFO.is_file():
        return []
    pairs = (line.partition(":") for line in CPU_INFO.read_text(encoding="utf-8").splitlines())
    return [value.strip() for name, _, value in pairs if name.strip() == key]
