"""Feedback of users and honeypots: training by moves and by mail, complaints, and the screening of recipients."""
