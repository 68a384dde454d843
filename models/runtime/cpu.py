"""What Linux says about the processor, and which of its instructions the kernels of oneDNN may use."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
# Those that decide how fast a product of matrices is, and its last bits.
INSTRUCTIONS = (
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
)
# oneDNN's limits that take some of them away; what is not listed (DEFAULT, ALL, AMX, AVX10) leaves them all.
LIMITS = {
    "SSE41": INSTRUCTIONS[:0],
    "AVX": INSTRUCTIONS[:0],
    "AVX2": INSTRUCTIONS[:1],
    "AVX2_VNNI": INSTRUCTIONS[:2],
    "AVX2_VNNI_2": INSTRUCTIONS[:2],
    "AVX512_CORE": INSTRUCTIONS[:3],
    "AVX512_CORE_VNNI": INSTRUCTIONS[:4],
    "AVX512_CORE_BF16": INSTRUCTIONS[:5],
    "AVX512_CORE_FP16": INSTRUCTIONS[:5],
}
LIMIT_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # the second is the older name


def processor_facts(key: str) -> list[str]:
    """The values of `key` ("model name", "flags"), one for each logical processor; empty on other systems."""
    if not CPU_INFO.is_file():
        return []
    pairs = (line.partition(":") for line in CPU_INFO.read_text(encoding="utf-8").splitlines())
    return [value.strip() for name, _, value in pairs if name.strip() == key]


def processor_name() -> str:
    """As its maker calls it; where that is not known, the system's word for the architecture."""
    return (processor_facts("model name") or [platform.processor() or platform.machine()])[0]


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def instructions() -> list[str]:
    """Those of INSTRUCTIONS that the processor has; none where the system does not say."""
    flags = " ".join(processor_facts("flags")[:1]).split()
    return [name for name in INSTRUCTIONS if name in flags]


def onednn_limit(environment: Mapping[str, str]) -> str | None:
    """The instruction set that these variables hold oneDNN to, in capitals; None without one."""
    for variable in LIMIT_VARIABLES:
        if variable in environment:
            return environment[variable].upper()
    return None


def usable_instructions(environment: Mapping[str, str]) -> list[str]:
    """Those of the processor's INSTRUCTIONS that oneDNN may use under the limit."""
    allowed = LIMITS.get(onednn_limit(environment) or "", INSTRUCTIONS)
    return [name for name in instructions() if name in allowed]
