Feature: Stage N1
  Epochs count from 0. A night holds what is told and nothing else: a plain background, and chin
  tone as its stages bring it.

  Rule: N1.1 Alpha gives way to low-amplitude mixed-frequency activity

    Scenario Outline: Alpha must have given way for more than half
      Given a night of W W W N1 N1 N2 N2 N2
      And wakefulness with alpha rhythm in epoch 1
      And <seconds> s of alpha rhythm in epoch 3
      And a scorer who calls epoch 3 N1 by rule N1.1
      When the scoring is audited
      Then rule N1.1 in epoch 3 is <verdict>

      Examples: on both sides of half an epoch
        | seconds | verdict      |
        | 4       | supported    |
        | 24      | contradicted |

    Example: A spindle in its first half makes the epoch N2
      Given a night of W W W N1 N1 N2 N2 N2
      And wakefulness with alpha rhythm in epoch 1
      And a sleep spindle at 8 s of epoch 3
      And a scorer who calls epoch 3 N1 by rule N1.1
      When the scoring is audited
      Then rule N1.1 in epoch 3 is contradicted
      And the signal permits N2 in epoch 3

    Example: A person who makes no alpha is scored by N1.2
      Given a night of W W W N1 N1 N2 N2 N2
      And a scorer who calls epoch 3 N1 by rule N1.1
      When the scoring is audited
      Then rule N1.1 in epoch 3 is contradicted

    Example: No occipital derivation was recorded
      Given a night of W W W N1 N1 N2 N2 N2
      And no occipital EEG was recorded
      And a scorer who calls epoch 3 N1 by rule N1.1
      When the scoring is audited
      Then rule N1.1 in epoch 3 is not assessable

  Rule: N1.2 First signs of sleep in a person who makes no alpha

    Scenario Outline: Each first sign is enough
      Given a night of W W W N1 N1 N2 N2 N2
      And <sign>
      And a scorer who calls epoch 3 N1 by rule N1.2
      When the scoring is audited
      Then rule N1.2 in epoch 3 is supported

      Examples: in a person who makes no alpha
        | sign                                       |
        | a vertex sharp wave at 12 s of epoch 3     |
        | slow eye movements from 8 to 20 s of epoch 3 |

    Example: A person who makes alpha is scored by N1.1
      Given a night of W W W N1 N1 N2 N2 N2
      And wakefulness with alpha rhythm in epoch 1
      And a vertex sharp wave at 12 s of epoch 3
      And a scorer who calls epoch 3 N1 by rule N1.2
      When the scoring is audited
      Then rule N1.2 in epoch 3 is contradicted

    Example: No occipital derivation was recorded
      Given a night of W W W N1 N1 N2 N2 N2
      And a vertex sharp wave at 12 s of epoch 3
      And no occipital EEG was recorded
      And a scorer who calls epoch 3 N1 by rule N1.2
      When the scoring is audited
      Then rule N1.2 in epoch 3 is not assessable
