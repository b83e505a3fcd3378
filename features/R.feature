Feature: Stage R
  Epochs count from 0. A night holds what is told and nothing else: a plain background, and chin
  tone as its stages bring it.

  Rule: R.1 Definite R

    Scenario Outline: Eye movements and low tone must come together
      Given a night of W W N2 N2 <stage> <stage> N2 R R R
      And rapid eye movements every <step> s from 4 to <end> s of epoch 4
      And a scorer who calls epoch 4 R by rule R.1
      When the scoring is audited
      Then rule R.1 in epoch 4 is <verdict>

      Examples: with the chin tone of R and of N2; with and without eye movements
        | stage | step | end | verdict      |
        | R     | 3    | 26  | supported    |
        | N2    | 3    | 26  | contradicted |
        | R     | 3    | 4   | contradicted |

    Example: No chin EMG was recorded
      Given a night of W W N2 N2 R R N2 N2
      And rapid eye movements every 3 s from 4 to 26 s of epoch 4
      And no chin EMG was recorded
      And a scorer who calls epoch 4 R by rule R.1
      When the scoring is audited
      Then rule R.1 in epoch 4 is not assessable
      And the study says once that chin tone cannot be assessed, so that R.1 cannot be checked

  Rule: R.2 R goes on before and after definite R

    Scenario Outline: Before and after
      Given a night of W W N2 N2 R R R N2 N2
      And rapid eye movements every 3 s from 4 to 26 s of epoch <definite>
      And a scorer who calls epoch <epoch> R by rule R.2
      When the scoring is audited
      Then rule R.2 in epoch <epoch> is supported

      Examples: the definite epoch lies on either side
        | definite | epoch |
        | 4        | 5     |
        | 4        | 6     |
        | 6        | 4     |

    Example: A run of R without any definite epoch
      Given a night of W W N2 N2 R R R N2 N2
      And a scorer who calls epoch 5 R by rule R.2
      When the scoring is audited
      Then rule R.2 in epoch 5 is contradicted
      And the signal does not permit R in epoch 5

    Example: A spindle in the first half
      Given a night of W W N2 N2 R R R N2 N2
      And rapid eye movements every 3 s from 4 to 26 s of epoch 4
      And a sleep spindle at 8 s of epoch 5
      And a scorer who calls epoch 5 R by rule R.2
      When the scoring is audited
      Then rule R.2 in epoch 5 is contradicted

    Example: No chin EMG was recorded
      Given a night of W W N2 N2 R R R N2 N2
      And rapid eye movements every 3 s from 4 to 26 s of epoch 4
      And no chin EMG was recorded
      And a scorer who calls epoch 5 R by rule R.2
      When the scoring is audited
      Then rule R.2 in epoch 5 is not assessable

  Rule: R.3 R ends

    Example: A spindle without eye movements is N2
      Given a night of W W N2 N2 R R R N2 N2
      And rapid eye movements every 3 s from 4 to 26 s of epoch 4
      And a sleep spindle at 8 s of epoch 6
      And a scorer who calls epoch 6 N2 by rule R.3
      When the scoring is audited
      Then rule R.3 in epoch 6 is supported

    Example: Chin tone rises and N1 is met
      Given a night of W W N2 N2 R R N1 N2 N2
      And wakefulness with alpha rhythm in epoch 1
      And rapid eye movements every 3 s from 4 to 26 s of epoch 4
      And a scorer who calls epoch 6 N1 by rule R.3
      When the scoring is audited
      Then rule R.3 in epoch 6 is supported

    Example: Nothing ends it
      Given a night of W W N2 N2 R R R N2 N2
      And rapid eye movements every 3 s from 4 to 26 s of epoch 4
      And a scorer who calls epoch 6 N2 by rule R.3
      When the scoring is audited
      Then rule R.3 in epoch 6 is contradicted

    Example: No chin EMG and no frontal derivation was recorded
      Given a night of W W N2 N2 R R N1 N2 N2
      And wakefulness with alpha rhythm in epoch 1
      And no chin EMG was recorded
      And a scorer who calls epoch 6 N1 by rule R.3
      When the scoring is audited
      Then rule R.3 in epoch 6 is not assessable
