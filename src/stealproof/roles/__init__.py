"""The cast: one small abstract class a role, one file each.

A malicious client (``extraction``), suspect (``removal``) and accuser (``false_claim``); an owner's protections
(``training_defense``, ``guard``, ``ownership``); what is measured (``risk``, ``experiment``); and the stage that they
play on (``dataset``, ``architecture``). Each class does the bookkeeping of its role once and leaves one method open.
"""
