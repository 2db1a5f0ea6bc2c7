"""What has changed for clients since the released OpenAPI document, and what may not.

`./run flask contracts diff` shows it, `./run lint` holds it (`python -m
devtools.contracts`). `rules` says what a change means, `schemas` and `operations` find
the changes, `waivers` and `verdict` say which of them stand in the way.
"""
