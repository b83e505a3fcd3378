"""Reading rationales: from a stager's words to claims that can be checked.

A grammar of clauses and scopes of our own over a lexicon that is data
(``rules/lexicon/<language>.yaml``). It abstains when in doubt: such a claim has ``read`` False.
"""

from auditor.claims.reader import read_claims

__all__ = ["read_claims"]
