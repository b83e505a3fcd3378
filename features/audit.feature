Feature: Audit
  What a scorer says is held against what was measured: first whether it was seen rightly
  (perception), then whether it was concluded rightly (deduction). Doubt is a verdict of its own.
  Epochs count from 0.

  Rule: What was seen

    Scenario Outline: A spindle is claimed at a time
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a sleep spindle at 12 s of epoch 4
      And a scorer who calls epoch 4 N2 by rule N2.1
      And who writes of epoch 4: "C4-M1 exhibits a sleep spindle at <second> s."
      When the scoring is audited
      Then the sleep spindle claimed in epoch 4 is <verdict>

      Examples: within two seconds, and beyond
        | second | verdict      |
        | 12     | supported    |
        | 14     | supported    |
        | 20     | contradicted |
        | 4      | contradicted |

    Example: The right event at the wrong time says so
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a sleep spindle at 12 s of epoch 4
      And a scorer who calls epoch 4 N2 by rule N2.1
      And who writes of epoch 4: "C4-M1 exhibits a sleep spindle at 28-30 s."
      When the scoring is audited
      Then epoch 4 is flagged claim-contradicted
      And the flag claim-contradicted of epoch 4 says "none within 2 s of 28–30 s"

    Scenario Outline: How much of the epoch
      Given a night of W W W N2 N2 N2 N2 N2
      And 20 s of alpha rhythm in epoch 1
      And a scorer who calls epoch 1 W by rule W.1
      And who writes of epoch 1: "O2-M1 shows alpha rhythm for <extent> of the epoch."
      When the scoring is audited
      Then the alpha rhythm claimed in epoch 1 is <verdict>

      Examples: two thirds were measured
        | extent         | verdict      |
        | more than 50 % | supported    |
        | less than 30 % | contradicted |

    Scenario Outline: What is denied
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a <sign> at 12 s of epoch 4
      And a scorer who calls epoch 4 N2
      And who writes of epoch 4: "No <denied> is present."
      When the scoring is audited
      Then the <denied> claimed in epoch 4 is <verdict>

      Examples: what is there, and what is not
        | sign          | denied        | verdict      |
        | sleep spindle | sleep spindle | contradicted |
        | K complex     | sleep spindle | supported    |

    Scenario Outline: Slow wave activity is denied up to a tenth of the epoch
      Given a night of W W N1 N2 N2 N2 N2 N2
      And <seconds> s of slow waves of 1 Hz and 120 µV in epoch 4
      And a scorer who calls epoch 4 N2
      And who writes of epoch 4: "Slow wave activity is absent."
      When the scoring is audited
      Then the slow wave activity claimed in epoch 4 is <verdict>

      Examples: an isolated wave, and a fifth of the epoch
        | seconds | verdict      |
        | 1       | supported    |
        | 6       | contradicted |

    Example: Words that hedge are not held against the scorer
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a scorer who calls epoch 4 N2
      And who writes of epoch 4: "There is a possible sleep spindle."
      When the scoring is audited
      Then the sleep spindle claimed in epoch 4 is not assessable

    Example: What was not recorded is not held against the scorer
      Given a night of W W N1 N2 N2 R R N2
      And no chin EMG was recorded
      And a scorer who calls epoch 5 R
      And who writes of epoch 5: "Chin EMG shows low muscle tone."
      When the scoring is audited
      Then the chin tone claimed in epoch 5 is not assessable

    Example: A stage without words implies what its rule asks for
      Given a night of W W N1 N2 N2 N2 N2 N2
      And wakefulness with alpha rhythm in epoch 1
      And a scorer who calls epoch 4 N3
      When the scoring is audited
      Then the slow wave activity claimed in epoch 4 is contradicted
      And epoch 4 is flagged stage-not-permitted and claim-contradicted

  Rule: What was concluded

    Example: A cited rule whose conditions do not hold
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a sleep spindle at 8 s of epoch 4
      And a scorer who calls epoch 5 N2 by rule N2.1
      When the scoring is audited
      Then rule N2.1 in epoch 5 is contradicted
      And epoch 5 is flagged rule-not-met and claim-contradicted
      And the flag rule-not-met of epoch 5 says "K complex or spindle: measured 0, needed ≥ 1"

    Example: A rule that does not exist
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a sleep spindle at 8 s of epoch 4
      And a scorer who calls epoch 4 N2 by rule N2.7
      When the scoring is audited
      Then epoch 4 is flagged rule-not-met
      And the flag rule-not-met of epoch 4 says "there is no such rule"

    Example: No rule leads to the stage
      Given a night of W W W N2 N2 N2 N2 N2
      And wakefulness with alpha rhythm in epoch 1
      And a scorer who calls epoch 1 R
      When the scoring is audited
      Then epoch 1 is flagged stage-not-permitted and claim-contradicted
      And the signal permits W in epoch 1

    Example: Another stage is required
      Given a night of W W N2 N2 N2 N2 N2 N2
      And 15 s of slow waves of 1 Hz and 120 µV in epoch 4
      And a scorer who calls epoch 4 N2
      And who writes of epoch 4: "The background is unremarkable."
      When the scoring is audited
      Then epoch 4 is flagged other-stage-required and stage-not-permitted
      And the flag other-stage-required of epoch 4 says "N3.1 holds and decides alone for N3"

    Example: An error is flagged where it arises
      Given a night of W W W N2 N2 N2 N2 N2
      And wakefulness with alpha rhythm in epoch 1
      And wakefulness with alpha rhythm in epoch 2
      And a scorer who calls epoch 2 N2
      When the scoring is audited
      Then epoch 2 is flagged stage-not-permitted and claim-contradicted
      And epoch 3 is flagged sequence-broken
      And epoch 4 is not flagged

  Rule: Fluent, and wrong

    Example: A spindle that is not there, and a K complex that an arousal goes with
      Given a night of W W W N1 N2 N2 N1 N1 N2
      And wakefulness with alpha rhythm in epoch 1
      And a sleep spindle at 8 s of epoch 4
      And a sleep spindle at 8 s of epoch 5
      And a K complex at 5 s of epoch 6
      And an arousal at 6 s of epoch 6
      And a scorer who calls epoch 6 N2 by rule N2.1
      And who writes of epoch 6: "F4-M1 shows a K-complex at 0-10 s, maximal frontally. C4-M1 exhibits a sleep spindle at 20-22 s of 12-14 Hz. Slow wave activity is absent."
      When the scoring is audited
      Then the K complex claimed in epoch 6 is supported
      And the sleep spindle claimed in epoch 6 is contradicted
      And the slow wave activity claimed in epoch 6 is supported
      And rule N2.1 in epoch 6 is contradicted
      And the signal permits N1 in epoch 6
      And epoch 6 is flagged claim-contradicted and rule-not-met and stage-not-permitted
