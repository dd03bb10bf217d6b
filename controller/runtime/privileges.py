"""Whose the state folder is, he keeps it: what root writes into it keeps the unit from its own ledger."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def drop_privileges(folder: Path) -> str | None:
    """Change from root to the owner of the folder, with their groups; return the name, None: nothing changed.

    `sudo loadshed run`, typed once as a test, would leave a ledger that the unit may read and never write again. A
    folder that does not exist, belongs to root, or belongs to a user that root cannot become, changes nothing.
    """
    if os.geteuid() != 0 or not folder.is_dir() or (owner := folder.stat().st_uid) == 0:
        return None
    import pwd  # the unit, which is never root, pays nothing for it

    try:
        user = pwd.getpwuid(owner)
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(owner)
    except (KeyError, PermissionError):  # a container's root may not be allowed to change its user
        return None
    return user.pw_name
