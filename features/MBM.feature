Feature: Major body movements
  Epochs count from 0. A night holds what is told and nothing else: a plain background, and chin
  tone as its stages bring it.

  Rule: MBM.1 A major body movement with alpha or beside wakefulness

    Scenario Outline: A neighbour that is W makes it W
      Given a night of W W N2 N2 N2 N2 N2 N2
      And movement from 4 to 26 s of epoch 4
      And a scorer who calls epoch <neighbour> <stage>
      And a scorer who calls epoch 4 W by rule MBM.1
      When the scoring is audited
      Then rule MBM.1 in epoch 4 is <verdict>

      Examples: before and after
        | neighbour | stage | verdict      |
        | 3         | W     | supported    |
        | 5         | W     | supported    |
        | 3         | N2    | contradicted |

    Example: Movement for less than half of the epoch
      Given a night of W W N2 N2 N2 N2 N2 N2
      And movement from 4 to 14 s of epoch 4
      And a scorer who calls epoch 3 W
      And a scorer who calls epoch 4 W by rule MBM.1
      When the scoring is audited
      Then rule MBM.1 in epoch 4 is contradicted

    Example: No occipital derivation was recorded
      Given a night of W W N2 N2 N2 N2 N2 N2
      And movement from 4 to 26 s of epoch 4
      And no occipital EEG was recorded
      And a scorer who calls epoch 4 W by rule MBM.1
      When the scoring is audited
      Then rule MBM.1 in epoch 4 is not assessable

  Rule: MBM.2 Any other major body movement

    Scenario Outline: It is as the epoch that follows
      Given a night of W W N2 N2 N2 N2 N2 N2
      And movement from 4 to 26 s of epoch 4
      And a scorer who calls epoch 5 <following>
      And a scorer who calls epoch 4 <stage> by rule MBM.2
      When the scoring is audited
      Then rule MBM.2 in epoch 4 is <verdict>

      Examples: after sleep and before wakefulness
        | following | stage | verdict      |
        | N2        | N2    | supported    |
        | W         | W     | contradicted |

    Example: No occipital derivation was recorded
      Given a night of W W N2 N2 N2 N2 N2 N2
      And movement from 4 to 26 s of epoch 4
      And no occipital EEG was recorded
      And a scorer who calls epoch 4 N2 by rule MBM.2
      When the scoring is audited
      Then rule MBM.2 in epoch 4 is not assessable
