"""Every sentence of letters and pages, in English and French. Whoever puts values in (`str.format`) escapes them."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "fr"]

_ENGLISH = {
    "notice_subject": "Auto: your message to {domain} is waiting for you",
    "notice_intro": "Your message was held by the spam filter of {domain} and has not been delivered.",
    "notice_to": "To: {recipients}",
    "notice_about": "Subject: {subject}",
    "notice_at": "Received: {at}",
    "notice_ask": "To have it delivered, open this page and answer one short question:",
    "notice_until": "The message waits until {until} and is then deleted. You get this notice once for this message.",
    "notice_ignore": "If you did not write this message, somebody used your address: do nothing, and it goes away.",
    "notice_button": "Have my message delivered",
    "digest_subject": "Quarantine: {count} messages are waiting for {account}",
    "digest_subject_one": "Quarantine: 1 message is waiting for {account}",
    "digest_intro": "These messages for {account} were held as spam. What you leave is deleted after its time.",
    "digest_more": "And {count} more, which your administrator can show you.",
    "digest_warning": "The links work without a password: do not forward this message.",
    "digest_look": "Deliver or delete",
    "from": "From",
    "subject": "Subject",
    "held": "Held",
    "to": "To",
    "no_subject": "(no subject)",
    "page_title": "Message in quarantine",
    "validate_title": "Have your message delivered",
    "validate_intro": "Your message was held by the spam filter. Show that you are a person, and it is delivered.",
    "picture_label": "The {count} letters and digits in the picture",
    "picture_alt": "Picture of {count} distorted letters and digits. The link below asks a question in words.",
    "picture_other": "I cannot read the picture: ask me a question instead",
    "question_label": "Add the largest and the smallest of these numbers: {numbers}. What is the sum, in digits?",
    "question_other": "Show me a picture instead",
    "validate_button": "Deliver my message",
    "wrong": "That was not the right answer. Here is another one.",
    "stale": "That question was answered already, or too long ago. Here is another one.",
    "delivered_title": "Delivered",
    "delivered": "Thank you: your message is on its way to {recipients}.",
    "trusted": "{domains} knows you from now on: your next messages are less likely to be held.",
    "own_intro": "This message was held as spam. What shall become of it?",
    "own_release": "Deliver it to me",
    "own_delete": "Delete it",
    "own_released": "The message is on its way to {recipients}.",
    "own_deleted_title": "Deleted",
    "own_deleted": "The message was deleted.",
    "gone_title": "Nothing waits here",
    "gone": "This link is not valid any more: the message was delivered or deleted, or its time is over.",
    "limit_title": "Too many tries",
    "limit": "There were too many tries. Please come back later.",
    "away_title": "Not now",
    "away": "This cannot be done at the moment, and nothing was changed. Please try again in a minute.",
    "refused_title": "This cannot be done",
    "refused": "This message cannot be delivered. Please ask the recipient.",
}

_FRENCH = {
    "notice_subject": "Auto : votre message à {domain} vous attend",
    "notice_intro": "Votre message a été retenu par le filtre antispam de {domain} et n'a pas été remis.",
    "notice_to": "À : {recipients}",
    "notice_about": "Objet : {subject}",
    "notice_at": "Reçu : {at}",
    "notice_ask": "Pour qu'il soit remis, ouvrez cette page et répondez à une courte question :",
    "notice_until": "Le message attend jusqu'au {until}, puis il est supprimé. Cet avis n'est envoyé qu'une fois.",
    "notice_ignore": "Si vous n'avez pas écrit ce message, quelqu'un a usurpé votre adresse : il n'y a rien à faire.",
    "notice_button": "Faire remettre mon message",
    "digest_subject": "Quarantaine : {count} messages attendent {account}",
    "digest_subject_one": "Quarantaine : 1 message attend {account}",
    "digest_intro": "Ces messages pour {account} ont été retenus. Ce que vous laissez est supprimé à son terme.",
    "digest_more": "Et {count} autres, que votre administrateur peut vous montrer.",
    "digest_warning": "Les liens fonctionnent sans mot de passe : ne transférez pas ce message.",
    "digest_look": "Remettre ou supprimer",
    "from": "De",
    "subject": "Objet",
    "held": "Retenu",
    "to": "À",
    "no_subject": "(sans objet)",
    "page_title": "Message en quarantaine",
    "validate_title": "Faire remettre votre message",
    "validate_intro": "Votre message a été retenu. Montrez que vous êtes une personne, et il sera remis.",
    "picture_label": "Les {count} lettres et chiffres de l'image",
    "picture_alt": "Image de {count} lettres et chiffres déformés. Le lien ci-dessous pose une question.",
    "picture_other": "Je ne peux pas lire l'image : posez-moi plutôt une question",
    "question_label": "Additionnez le plus grand et le plus petit de ces nombres, en chiffres : {numbers}.",
    "question_other": "Montrez-moi plutôt une image",
    "validate_button": "Remettre mon message",
    "wrong": "Ce n'était pas la bonne réponse. En voici une autre.",
    "stale": "Cette question a déjà servi, ou elle est trop ancienne. En voici une autre.",
    "delivered_title": "Message remis",
    "delivered": "Merci : votre message est en route vers {recipients}.",
    "trusted": "{domains} vous connaît désormais : vos prochains messages risquent moins d'être retenus.",
    "own_intro": "Ce message a été retenu comme spam. Que faut-il en faire ?",
    "own_release": "Me le remettre",
    "own_delete": "Le supprimer",
    "own_released": "Le message est en route vers {recipients}.",
    "own_deleted_title": "Message supprimé",
    "own_deleted": "Le message a été supprimé.",
    "gone_title": "Rien n'attend ici",
    "gone": "Ce lien n'est plus valable : le message a été remis ou supprimé, ou son délai est écoulé.",
    "limit_title": "Trop d'essais",
    "limit": "Il y a eu trop d'essais. Revenez plus tard.",
    "away_title": "Pas maintenant",
    "away": "Ce n'est pas possible en ce moment, et rien n'a changé. Réessayez dans une minute.",
    "refused_title": "Ce n'est pas possible",
    "refused": "Ce message ne peut pas être remis. Adressez-vous au destinataire.",
}

TEXTS: dict[Language, dict[str, str]] = {"en": _ENGLISH, "fr": _FRENCH}

_TENS = {
    "en": ("", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty"),
    "fr": ("", "dix", "vingt", "trente", "quarante", "cinquante", "soixante", "soixante", "quatre-vingt"),
}
_SMALL = {
    "en": (
        *("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
    ),
    "fr": (
        *("", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze"),
        *("treize", "quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf"),
    ),
}


def in_words(number: int, language: Language) -> str:
    """1 to 89, as people say it."""
    if number < 20:
        return _SMALL[language][number]
    tens, ones = divmod(number, 10)
    if language == "fr":
        return _in_french(tens, ones)
    return "-".join(filter(None, (_TENS["en"][tens], _SMALL["en"][ones])))


def _in_french(tens: int, ones: int) -> str:
    """Sixty and ten, four twenties; `et un`, `et onze` below eighty, and the s of quatre-vingts alone."""
    if tens == 7:
        ones += 10
    if tens == 8:
        return "-".join(("quatre-vingt", _SMALL["fr"][ones])) if ones else "quatre-vingts"
    if ones in (1, 11):
        return f"{_TENS['fr'][tens]} et {_SMALL['fr'][ones]}"
    return "-".join(filter(None, (_TENS["fr"][tens], _SMALL["fr"][ones])))
