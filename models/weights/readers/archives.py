"""Read members of zip archives within limits."""

import io
import zipfile

from models.weights.errors import WeightsError
from models.weights.readers.limits import MAX_TENSORS, Budget, shown

_ENTRY = b"PK\x01\x02"  # begins the entry of a member in the list at the end
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Archive:
    """A zip archive in memory.

    :param content: the whole file.
    :ivar names: the members' names.
    """

    def __init__(self, content: bytes) -> None:
        if content.count(_ENTRY) > 2 * MAX_TENSORS:  # before each takes a thousand bytes
            raise WeightsError("it has far too many members; do not use this file")
        self._archive = zipfile.ZipFile(io.BytesIO(content))
        self._members = {member.filename: member for member in self._archive.infolist()}
        self._budget = Budget(len(content))
        self.names = list(self._members)
        if len(self.names) < len(self._archive.infolist()):
            raise WeightsError("two of its members have the same name; do not use this file")

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        :raises WeightsError: there is no such member, or it unpacks to more than the file can hold.
        """
        member = self._members.get(name)
        if member is None:
            raise WeightsError(f"its member {shown(name)} is missing; download it again")
        if member.compress_type not in _METHODS or member.flag_bits & 1:
            raise WeightsError(
                f"its member {shown(name)} is packed in an unusual way or encrypted; unpack it first"
            )
        self._budget.take(member.file_size, name)
        with self._archive.open(member) as stream:
            return stream.read(member.file_size + 1)
