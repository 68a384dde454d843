"""Read from Linux what the processor is, and which of its instructions the kernels of oneDNN may use."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
# The instructions that decide how fast a matrix product is, and its last bits.
INSTRUCTIONS = (
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16"),
    *("amx_tile", "amx_int8", "amx_bf16"),
)
# oneDNN's limits that exclude some of them; others (DEFAULT, ALL, AMX, AVX10) exclude none.
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


def processor_fact(key: str) -> str:
    """Return the value of `key` ("model name", "flags") of the first logical processor; "" on other systems.

    The file is not read further: it grows with the processors, and each network layer may ask.
    """
    if not CPU_INFO.is_file():
        return ""
    with CPU_INFO.open(encoding="utf-8") as lines:
        pairs = (line.partition(":") for line in lines)
        return next((value.strip() for name, _, value in pairs if name.strip() == key), "")


def processor_name() -> str:
    """Return the manufacturer's name of the processor or, if that is not known, the system's architecture."""
    return processor_fact("model name") or platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def instructions() -> list[str]:
    """Return those of INSTRUCTIONS that the processor has; none if the system does not say."""
    flags = processor_fact("flags").split()
    return [name for name in INSTRUCTIONS if name in flags]


def onednn_limit(environment: Mapping[str, str]) -> str | None:
    """Return the instruction set that the environment limits oneDNN to, in capitals; None if it does not."""
    limits = (environment[name].upper() for name in LIMIT_VARIABLES if name in environment)
    return next(limits, None)


def usable_instructions(environment: Mapping[str, str]) -> list[str]:
    """Return those of the processor's INSTRUCTIONS that oneDNN may use under its limit."""
    allowed = LIMITS.get(onednn_limit(environment) or "", INSTRUCTIONS)
    return [name for name in instructions() if name in allowed]
