Feature: Triage
  A physician has minutes for a night. What speaks against an epoch is flagged, and the epochs are
  ordered by the risk that something is wrong with them. Epochs count from 0.

  Rule: What is flagged beside the findings

    Example: A reply that cannot be read
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a scorer who calls epoch 3 N2
      And whose reply for epoch 4 cannot be read
      When the scoring is audited
      Then epoch 4 is flagged reply-unreadable

    Example: A rationale that is missing where others are explained
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a sleep spindle at 8 s of epoch 4
      And a sleep spindle at 8 s of epoch 5
      And a scorer who calls epoch 4 N2 by rule N2.1
      And who writes of epoch 4: "A sleep spindle is present."
      When the scoring is audited
      Then epoch 4 is not flagged
      And epoch 5 is flagged rationale-missing

    Scenario Outline: A stage that the scorer itself is unsure of
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a sleep spindle at 8 s of epoch 4
      And a scorer who calls epoch 4 N2
      And who gives the stage of epoch 4 a probability of <percent> %
      When the scoring is audited
      Then epoch 4 <flagged>

      Examples: on both sides of even odds
        | percent | flagged                   |
        | 45      | is flagged low-confidence |
        | 55      | is not flagged            |

    Example: A second scorer who differs
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a sleep spindle at 8 s of epoch 4
      And a scorer who calls epoch 4 N2
      And a second scorer who calls epoch 4 N3
      When the scoring is audited
      Then epoch 4 is flagged second-opinion-differs

    Scenario Outline: A second scorer who differs and says how sure it is
      Given a night of W W N1 N2 N2 N2 N2 N2
      And a sleep spindle at 8 s of epoch 4
      And a scorer who calls epoch 4 N2
      And a second scorer who calls epoch 4 N3 with a probability of <percent> %
      When the scoring is audited
      Then epoch 4 <flagged>

      Examples: on both sides of even odds
        | percent | flagged                           |
        | 45      | is not flagged                    |
        | 55      | is flagged second-opinion-differs |

    Example: A signal that is poor in one epoch alone
      Given a night of W W N2 N2 N2 N2 N2 N2
      And 15 s of slow waves of 1 Hz and 120 µV in epoch 5
      And the frontal EEG comes loose in epoch 4
      And a scorer who calls epoch 4 N3
      When the scoring is audited
      Then epoch 4 is flagged signal-poor

    Example: What the whole night lacks is told once, not in every epoch
      Given a night of W W N2 N2 N2 N2 N2 N2
      And no chin EMG was recorded
      When the scoring is audited
      Then no epoch is flagged signal-poor
      And the study says once that chin tone cannot be assessed, so that R.1 cannot be checked

  Rule: What comes first

    Example: A night in which the worst epoch comes first
      Given a night of W W N2 N2 N2 N2 N2 N2 N2 N2
      And 15 s of slow waves of 1 Hz and 120 µV in epoch 5
      And a scorer who calls epoch 5 W
      When the scoring is audited
      Then the physician's list of 15 % begins with epoch 5

    Example: What the scorer is less sure of comes before what it is sure of
      Given a night of W W N2 N2 N2 N2 N2 N2 N2 N2
      And a scorer who calls epoch 5 N2
      And who gives the stage of epoch 5 a probability of 60 %
      And who gives the stage of epoch 6 a probability of 95 %
      When the scoring is audited
      Then epoch 5 comes before epoch 6 on the physician's list

    Scenario Outline: The list is as long as the physician has time for
      Given a night of W W N2 N2 N2 N2 N2 N2 N2 N2
      When the scoring is audited
      Then the physician's list of <percent> % has <count> epochs

      Examples: of ten epochs
        | percent | count |
        | 0       | 0     |
        | 15      | 1     |
        | 50      | 5     |
