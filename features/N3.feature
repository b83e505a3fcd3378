Feature: Stage N3
  Epochs count from 0. A night holds what is told and nothing else: a plain background, and chin
  tone as its stages bring it.

  Rule: N3.1 Slow waves fill a fifth of the epoch

    Scenario Outline: The measured seconds decide
      Given a night of W W N2 N2 N2 N2 N2 N2
      And <seconds> s of slow waves of 1 Hz and 120 µV in epoch 3
      And a scorer who calls epoch 3 N3 by rule N3.1
      When the scoring is audited
      Then rule N3.1 in epoch 3 is <verdict>

      Examples: at the boundary of 6 s
        | seconds | verdict      |
        | 5       | contradicted |
        | 7       | supported    |

    Scenario Outline: Only waves of more than 75 µV count
      Given a night of W W N2 N2 N2 N2 N2 N2
      And 15 s of slow waves of 1 Hz and <size> µV in epoch 3
      And a scorer who calls epoch 3 N3 by rule N3.1
      When the scoring is audited
      Then rule N3.1 in epoch 3 is <verdict>

      Examples: on both sides of 75 µV
        | size | verdict      |
        | 40   | contradicted |
        | 110  | supported    |

    Example: It decides alone
      Given a night of W W N2 N2 N2 N2 N2 N2
      And 12 s of slow waves of 1 Hz and 120 µV in epoch 3
      And a scorer who calls epoch 3 N2
      And who writes of epoch 3: "The background is unremarkable."
      When the scoring is audited
      Then epoch 3 is flagged other-stage-required and stage-not-permitted
      And the signal permits N3 in epoch 3

    Example: No frontal derivation was recorded
      Given a night of W W N2 N2 N2 N2 N2 N2
      And 12 s of slow waves of 1 Hz and 120 µV in epoch 3
      And no frontal EEG was recorded
      And a scorer who calls epoch 3 N3 by rule N3.1
      When the scoring is audited
      Then rule N3.1 in epoch 3 is not assessable
      And the study says once that slow wave activity cannot be assessed, so that N3.1 cannot be checked
