Feature: Stage W
  Epochs count from 0. A night holds what is told and nothing else: a plain background, and chin
  tone as its stages bring it.

  Rule: W.1 Alpha rhythm for more than half of the epoch

    Scenario Outline: The measured seconds decide
      Given a night of W W W N2 N2 N2 N2 N2
      And <seconds> s of alpha rhythm in epoch 1
      And a scorer who calls epoch 1 W by rule W.1
      When the scoring is audited
      Then rule W.1 in epoch 1 is <verdict>

      Examples: on both sides of half an epoch
        | seconds | verdict      |
        | 12      | contradicted |
        | 18      | supported    |

    Example: No occipital derivation was recorded
      Given a night of W W W N2 N2 N2 N2 N2
      And 20 s of alpha rhythm in epoch 1
      And no occipital EEG was recorded
      And a scorer who calls epoch 1 W by rule W.1
      When the scoring is audited
      Then rule W.1 in epoch 1 is not assessable
      And the study says once that alpha rhythm cannot be assessed, so that W.1 cannot be checked

  Rule: W.2 Eye blinks or reading for more than half of the epoch

    Scenario Outline: Blinks must follow one another for more than half
      Given a night of W W W N2 N2 N2 N2 N2
      And eye blinks every 1.2 s from 2 to <end> s of epoch 1
      And a scorer who calls epoch 1 W by rule W.2
      When the scoring is audited
      Then rule W.2 in epoch 1 is <verdict>

      Examples: on both sides of half an epoch
        | end | verdict      |
        | 12  | contradicted |
        | 24  | supported    |

    Example: Reading counts as blinks do
      Given a night of W W W N2 N2 N2 N2 N2
      And reading eye movements from 4 to 26 s of epoch 1
      And a scorer who calls epoch 1 W by rule W.2
      When the scoring is audited
      Then rule W.2 in epoch 1 is supported

    Example: No eye channel was recorded
      Given a night of W W W N2 N2 N2 N2 N2
      And eye blinks every 1.2 s from 2 to 28 s of epoch 1
      And no eye channels were recorded
      And a scorer who calls epoch 1 W by rule W.2
      When the scoring is audited
      Then rule W.2 in epoch 1 is not assessable

  Rule: W.3 Rapid eye movements with chin tone that is not low

    Scenario Outline: Chin tone tells wakefulness from R
      Given a night of W W W N2 N2 N2 R R
      And rapid eye movements every 1.5 s from 2 to 28 s of epoch <epoch>
      And a scorer who calls epoch <epoch> W by rule W.3
      When the scoring is audited
      Then rule W.3 in epoch <epoch> is <verdict>

      Examples: with the tone of wakefulness, and with that of R
        | epoch | verdict      |
        | 1     | supported    |
        | 6     | contradicted |

    Example: No chin EMG was recorded
      Given a night of W W W N2 N2 N2 R R
      And rapid eye movements every 1.5 s from 2 to 28 s of epoch 1
      And no chin EMG was recorded
      And a scorer who calls epoch 1 W by rule W.3
      When the scoring is audited
      Then rule W.3 in epoch 1 is not assessable
