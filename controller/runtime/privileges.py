"""Whose the state folder is, he keeps it: what root writes into it keeps the unit from its own ledger."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def become_owner(folder: Path) -> str | None:
    """Become, where this is root, the user whose folder it is, with his groups; return his name, None: nothing changed.

    `sudo loadshed run`, typed once to try it, would leave a ledger that the unit may read and never write again. A
    folder that is not there, is root's own, or belongs to somebody whom root cannot become, changes nothing.
    """
    if os.geteuid() != 0 or not folder.is_dir() or (owner := folder.stat().st_uid) == 0:
        return None
    import pwd  # noqa: PLC0415 — the unit, which is never root, pays nothing for it

    try:
        user = pwd.getpwuid(owner)
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(owner)
    except (KeyError, PermissionError):  # a container's root may not be allowed to become somebody else
        return None
    return user.pw_name
