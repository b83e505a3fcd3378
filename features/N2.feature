Feature: Stage N2
  Epochs count from 0. A night holds what is told and nothing else: a plain background, and chin
  tone as its stages bring it.

  Rule: N2.1 A K complex without arousal, or a sleep spindle

    Scenario Outline: In the first half of the epoch or the last half of the one before
      Given a night of W W N1 N1 N2 N2 N2 N2
      And a <sign> at <second> s of epoch <epoch>
      And a scorer who calls epoch 4 N2 by rule N2.1
      When the scoring is audited
      Then rule N2.1 in epoch 4 is <verdict>

      Examples: on both sides of the middle
        | sign          | second | epoch | verdict      |
        | sleep spindle | 12     | 4     | supported    |
        | sleep spindle | 17     | 4     | contradicted |
        | sleep spindle | 17     | 3     | supported    |
        | sleep spindle | 12     | 3     | contradicted |
        | K complex     | 12     | 4     | supported    |
        | K complex     | 17     | 4     | contradicted |

    Scenario Outline: A K complex that goes with an arousal does not count
      Given a night of W W N1 N1 N2 N2 N2 N2
      And a K complex at 6 s of epoch 4
      And an arousal at <second> s of epoch 4
      And a scorer who calls epoch 4 N2 by rule N2.1
      When the scoring is audited
      Then rule N2.1 in epoch 4 is <verdict>

      Examples: at once, and long after
        | second | verdict      |
        | 7      | contradicted |
        | 22     | supported    |

    Example: Slow waves for a fifth of the epoch are decided first
      Given a night of W W N1 N1 N2 N2 N2 N2
      And a sleep spindle at 4 s of epoch 4
      And 10 s of slow waves of 1 Hz and 120 µV in epoch 4
      And a scorer who calls epoch 4 N2 by rule N2.1
      When the scoring is audited
      Then rule N2.1 in epoch 4 is contradicted
      And the signal permits N3 in epoch 4

    Example: No frontal derivation was recorded
      Given a night of W W N1 N1 N2 N2 N2 N2
      And a sleep spindle at 8 s of epoch 4
      And no frontal EEG was recorded
      And a scorer who calls epoch 4 N2 by rule N2.1
      When the scoring is audited
      Then rule N2.1 in epoch 4 is not assessable

  Rule: N2.2 N2 goes on without K complex or spindle

    Scenario Outline: It goes on from N2 alone
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a scorer who calls epoch 4 <before>
      And a scorer who calls epoch 5 N2 by rule N2.2
      When the scoring is audited
      Then rule N2.2 in epoch 5 is <verdict>

      Examples: after each stage
        | before | verdict      |
        | N2     | supported    |
        | N1     | contradicted |
        | N3     | contradicted |
        | W      | contradicted |
        | R      | contradicted |

    Example: An arousal ends it
      Given a night of W W N1 N2 N2 N2 N2 N2
      And an arousal at 3 s of epoch 5
      And a scorer who calls epoch 5 N2 by rule N2.2
      When the scoring is audited
      Then rule N2.2 in epoch 5 is contradicted

    Scenario Outline: The 3-minute rule is a profile
      Given a night of W W N1 N2 N2 N2 N2 N2 N2 N2 N2 N2 N2 N2
      And a sleep spindle at 8 s of epoch 3
      And a sleep spindle at 8 s of epoch 13
      And a scorer who calls epoch 10 N2 by rule N2.2
      When the scoring is audited by the profile <profile>
      Then rule N2.2 in epoch 10 is <verdict>

      Examples: five minutes without a spindle
        | profile             | verdict      |
        | aasm-v3             | supported    |
        | rechtschaffen-kales | contradicted |

    Example: No frontal derivation was recorded
      Given a night of W W N1 N2 N2 N2 N2 N2
      And no frontal EEG was recorded
      And a scorer who calls epoch 5 N2 by rule N2.2
      When the scoring is audited
      Then rule N2.2 in epoch 5 is not assessable

  Rule: N2.3 After N3, when N3 is no longer met

    Scenario Outline: Slow waves decide
      Given a night of W W N2 N2 N3 N2 N2 N2
      And <seconds> s of slow waves of 1 Hz and 120 µV in epoch 5
      And a scorer who calls epoch 5 N2 by rule N2.3
      When the scoring is audited
      Then rule N2.3 in epoch 5 is <verdict>

      Examples: on both sides of a fifth of the epoch
        | seconds | verdict      |
        | 4       | supported    |
        | 8       | contradicted |

    Example: There was no N3
      Given a night of W W N2 N2 N2 N2 N2 N2
      And a scorer who calls epoch 5 N2 by rule N2.3
      When the scoring is audited
      Then rule N2.3 in epoch 5 is contradicted
      And epoch 5 is flagged sequence-broken

    Example: No frontal derivation was recorded
      Given a night of W W N2 N2 N3 N2 N2 N2
      And no frontal EEG was recorded
      And a scorer who calls epoch 5 N2 by rule N2.3
      When the scoring is audited
      Then rule N2.3 in epoch 5 is not assessable

  Rule: N2.4 N2 ends

    Example: An arousal ends N2, and it is N1
      Given a night of W W N1 N2 N2 N2 N2 N2
      And wakefulness with alpha rhythm in epoch 1
      And an arousal at 3 s of epoch 5
      And a scorer who calls epoch 5 N1 by rule N2.4
      When the scoring is audited
      Then rule N2.4 in epoch 5 is supported
      And the signal does not permit N2 in epoch 5

    Example: A spindle brings N2 back
      Given a night of W W N1 N2 N2 N2 N2 N2
      And wakefulness with alpha rhythm in epoch 1
      And an arousal at 20 s of epoch 4
      And a sleep spindle at 10 s of epoch 5
      And a scorer who calls epoch 5 N1 by rule N2.4
      When the scoring is audited
      Then rule N2.4 in epoch 5 is contradicted
      And the signal permits N2 in epoch 5

    Example: Nothing ends it
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a scorer who calls epoch 5 N1 by rule N2.4
      When the scoring is audited
      Then rule N2.4 in epoch 5 is contradicted

    Example: Wakefulness ends N2
      Given a night of W W N1 N2 N2 W N2 N2
      And wakefulness with alpha rhythm in epoch 5
      And a scorer who calls epoch 5 W by rule N2.4
      When the scoring is audited
      Then rule N2.4 in epoch 5 is supported

    Example: No frontal derivation was recorded
      Given a night of W W N1 N2 N2 N2 N2 N2
      And an arousal at 3 s of epoch 5
      And no frontal EEG was recorded
      And a scorer who calls epoch 5 N1 by rule N2.4
      When the scoring is audited
      Then rule N2.4 in epoch 5 is not assessable
