"""Reading rationales: from a stager's words to claims that can be checked.

A grammar of clauses and scopes of our own over a lexicon that is data
(``rules/lexicon/<language>.yaml``); the code knows no word of any language. It abstains when in
doubt: such a claim has ``read`` False.

The way of a text: tokens and sentences (``text``), phrases with their senses (``marks``), what
names a phenomenon (``terms``, ``chin``), clauses (``parentheses``, ``pieces``, ``clauses``), what
each clause says of its mentions (``statement``, by ``operators``, ``predicates``, ``negation``
and their ``scope``), times and other quantities (``quantities``, ``attach``), and the claim.

What counts as what, beyond the contract's conventions:

- Each naming is a mention of its own ("these blinks"), except where a second name only explains
  the first ("alpha (posterior dominant rhythm)"), a description stands beside the name, or one
  sentence says the same level of chin tone twice. A pronoun is none; its times and shares go to
  what it stands for.
- "Eye movements" of no kind, and stages ("REM sleep"), are no mentions.
- Chin tone without a level ("tone is preserved"), a change of it, and a comparison with a stage
  are left unread. Tone that is absent is low.
- What a stage requires, a condition, and a wish are uncertain; what defines it is too, unless the
  text has asserted it before. Another epoch, one of two ("a or b"), a comparison ("more than",
  "slower than alpha"), and a change in mid-epoch are unread.
- "Not associated with an arousal" says nothing of arousals.
- "Throughout", "most of the epoch": more than half. A rhythm, or slow waves, "for 9 s": that
  share of the epoch.
"""

from auditor.claims.reader import LONGEST_RATIONALE, read_claims

__all__ = ["LONGEST_RATIONALE", "read_claims"]
