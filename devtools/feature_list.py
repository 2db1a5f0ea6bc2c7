"""Which folders are features, and which of them are served. Standard library only.

Read from the source, so that it can be told where the application does not start.
"""

import ast
from pathlib import Path

APPLICATION = "myapp/__init__.py"


def forgotten(root: Path) -> list[str]:
    """Name each feature's folder that is not served, with the remedy."""
    served = listed((root / APPLICATION).read_text())
    return [
        f"myapp/{name} is no part of the application:"
        f' add "{name}" to FEATURES in {APPLICATION}, or remove the folder'
        for name in folders(root)
        if name not in served
    ]


def folders(root: Path) -> list[str]:
    """Return the names of the folders under myapp/ that are packages."""
    return sorted(file.parent.name for file in root.glob("myapp/*/__init__.py"))


def listed(source: str) -> set[str]:
    """Return the names in the application's FEATURES; raise SyntaxError."""
    return {str(entry.value) for entry in entries(source)}


def entries(source: str) -> list[ast.Constant]:
    """Return the names in the application's FEATURES where they stand in its source."""
    for node in ast.parse(source, APPLICATION).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FEATURES":
            [names, *_] = [
                each for each in ast.walk(node) if isinstance(each, ast.Tuple)
            ]
            return [each for each in names.elts if isinstance(each, ast.Constant)]
    return []
