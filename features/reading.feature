Feature: Reading rationales
  What a scorer writes is read mention by mention: which sign of sleep is spoken of, and whether
  it is said to be there, said to be absent, or only held possible. Where the words leave that
  open, the mention is left unread and shown as such; it is never guessed at.

  Rule: A sign is asserted or denied as far as the words reach

    Scenario Outline: What stands before a sign denies it
      When a rationale says "<words>"
      Then K complexes are read as <K complex>
      And sleep spindles are read as <spindle>

      Examples: lists
        | words                                                | K complex | spindle |
        | A K complex and a sleep spindle are seen.            | present   | present |
        | No K complexes or sleep spindles are seen.           | absent    | absent  |
        | Absence of K complexes and sleep spindles.           | absent    | absent  |
        | Neither K complexes nor sleep spindles are present.  | absent    | absent  |
        | The epoch is devoid of K complexes and spindles.     | absent    | absent  |
        | It does not show K complexes, spindles or arousals.  | absent    | absent  |

      Examples: the denial ends where another statement begins
        | words                                                | K complex | spindle |
        | No K complex is seen, but a spindle is present.      | absent    | present |
        | There is no K complex; spindles are frequent.        | absent    | present |
        | A K complex is seen, without any spindle.            | present   | absent  |
        | A K complex rather than a spindle is seen.           | present   | absent  |
        | K complexes are absent and spindles are present.     | absent    | present |

      Examples: what is said after a sign
        | words                                                | K complex | spindle |
        | K complexes and spindles were not observed.          | absent    | absent  |
        | K complexes: none. Spindles: 2.                      | absent    | present |
        | K complexes are missing, as are spindles.            | absent    | absent  |
        | K complexes and spindles, hallmarks of N2, are seen. | present   | present |

    Scenario Outline: Words that doubt
      When a rationale says "<words>"
      Then sleep spindles are read as <spindle>

      Examples: held possible
        | words                                                | spindle   |
        | A possible sleep spindle is seen at 5 s.             | uncertain |
        | A sleep spindle may be present.                      | uncertain |
        | Sleep spindles cannot be excluded.                   | uncertain |
        | A spindle-like burst is seen.                        | uncertain |

      Examples: a condition, or what a stage would need
        | words                                                | spindle   |
        | If a spindle were present, N2 would be scored.       | uncertain |
        | Stage N2 requires a sleep spindle.                   | uncertain |
        | Sleep spindles, if present, are brief.               | uncertain |

      Examples: the words leave it open
        | words                                                | spindle   |
        | A K complex or a spindle is seen.                    | unread    |
        | There is more alpha than spindles.                   | unread    |
        | The preceding epoch contains a sleep spindle.        | unread    |

  Rule: How much of a sign there is does not deny it

    Scenario Outline: Shares of the epoch
      When a rationale says "<words>"
      Then slow waves are read as present
      And slow waves are said to fill <share> of the epoch

      Examples:
        | words                                                | share           |
        | Slow waves occupy more than half of the epoch.       | more than 50 %  |
        | Slow waves fill at least 20 % of the epoch.          | at least 20 %   |
        | Slow waves fail the 20 % criterion.                  | less than 20 %  |
        | Slow waves do not exceed 20 % of the epoch.          | at most 20 %    |
        | Slow waves are seen. They fill 40 % of the epoch.    | 40 %            |

    Example: Slow waves that are too few for N3 are slow waves
      When a rationale says "Slow waves are insufficient for N3."
      Then slow waves are read as present

  Rule: Names of stages are no signs

    Scenario Outline: REM sleep is no rapid eye movement
      When a rationale says "<words>"
      Then rapid eye movements are <read>

      Examples:
        | words                                                | read             |
        | The epoch is REM sleep.                              | not spoken of    |
        | Rapid eye movement sleep continues.                  | not spoken of    |
        | NREM-specific waveforms are absent.                  | not spoken of    |
        | REMs are seen in REM sleep.                          | read as present  |
        | It is REM sleep without rapid eye movements.         | read as absent   |

  Rule: Chin tone is read by its level

    Scenario Outline: Levels
      When a rationale says "<words>"
      Then <level> chin tone is read as <reading>

      Examples:
        | words                                                | level        | reading |
        | Chin EMG tone is low.                                | low          | present |
        | The chin EMG shows atonia.                           | low          | present |
        | There is no chin muscle tone.                        | low          | present |
        | Chin EMG maintains medium muscle tone.               | intermediate | present |
        | The chin EMG remains elevated.                       | high         | present |
        | Chin tone is not low.                                | low          | absent  |
        | Chin tone does not meet the low-tone criterion.      | low          | absent  |
        | Higher than in REM sleep, chin tone is intermediate. | intermediate | present |

    Example: A comparison alone tells no level
      When a rationale says "Chin tone is higher than in REM sleep."
      Then chin tone is read as unread

  Rule: Times, channels and sizes belong to the sign that they are said of

    Example: Two signs in a sentence
      When a rationale says "F4-M1 shows a K complex at 3 s and C4-M1 a 13 Hz spindle at 5-6 s."
      Then K complexes are claimed in F4-M1 from 3 to 3 s
      And sleep spindles are claimed in C4-M1 from 5 to 6 s

    Example: A pronoun
      When a rationale says "The EOG shows rapid eye movements; these occur at 5-15 s."
      Then rapid eye movements are claimed from 5 to 15 s

  Rule: What is not in this language is not guessed at

    Scenario Outline: Other languages
      When a rationale says "<words>"
      Then nothing is read

      Examples:
        | words                                              |
        | Kein Alpha-Rhythmus, keine Spindeln.               |
        | Pas de rythme alpha, fuseaux absents.              |
        | No se observa alpha en los canales.                |
