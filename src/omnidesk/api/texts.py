"""What problems are called, in the languages of those who use the API. English comes with the error itself."""

from collections.abc import Mapping

LANGUAGES = ("en", "ru")

TITLES: Mapping[int, tuple[str, str]] = {
    400: ("Malformed request", "Неверный запрос"),
    401: ("Sign in first", "Требуется вход"),
    403: ("Not allowed", "Недостаточно прав"),
    404: ("Not found", "Не найдено"),
    405: ("Method not allowed", "Метод не поддерживается"),
    406: ("Not acceptable", "Нет подходящего представления"),
    409: ("Conflict", "Конфликт"),
    410: ("Gone", "Больше не доступно"),
    412: ("The resource has changed", "Ресурс изменился"),
    413: ("Too large", "Слишком большой запрос"),
    415: ("Unsupported media type", "Неподдерживаемый тип данных"),
    416: ("Range not satisfiable", "Недоступный диапазон"),
    422: ("Refused", "Запрос отклонён"),
    428: ("Name the version", "Укажите версию"),
    429: ("Too many requests", "Слишком много запросов"),
    500: ("Something broke here", "Внутренняя ошибка"),
    503: ("Try again later", "Повторите позже"),
}

RUSSIAN: Mapping[str, str] = {
    "account_taken": "Этот аккаунт уже подключён к другому ящику.",
    "address_taken": "Этот адрес уже принадлежит другому ящику.",
    "agent_disabled": "Этот сотрудник отключён.",
    "already_sending": "Это уже отправляется.",
    "arrival_not_parked": "Эта запись журнала не ждёт решения.",
    "attachment_deleted": "Этот файл удалён.",
    "attachment_erased": "Этот файл удалён вместе с данными клиента.",
    "bad_accept": "Такого представления нет.",
    "bad_content_type": "Тело запроса должно быть в формате JSON (application/json).",
    "bad_cursor": "Курсор повреждён или относится к другому списку. Начните с первой страницы.",
    "bad_header": "Неверное значение заголовка.",
    "bad_if_match": "Заголовок If-Match не содержит версии этого ресурса.",
    "bad_parameter": "Неверное значение параметра.",
    "bad_webhook_url": "Вебхук отправляется только на общедоступный адрес https.",
    "bad_sort": "Так этот список не сортируется.",
    "nothing_to_find": "В запросе нет слов или чисел, по которым можно искать.",
    "query_too_long": "Запрос слишком длинный: не больше 300 знаков и 24 слов.",
    "bad_range": "Такого диапазона в файле нет.",
    "body_too_large": "Тело запроса слишком большое.",
    "calls_under_way": "Этому человеку прямо сейчас что-то отправляется. Повторите через минуту.",
    "cannot_be_tried": "Этот канал нельзя проверить.",
    "cannot_send": "Этот канал не умеет отвечать.",
    "contact_erased": "Данные этого человека удалены.",
    "contact_merged": "Контакт объединён с другим.",
    "channel_cannot_edit": "Отправленное через канал {channel} нельзя изменить или отозвать.",
    "conflict": "Кто-то успел раньше.",
    "cross_site": "Запрос пришёл с другого сайта.",
    "email_taken": "Сотрудник с таким адресом уже есть.",
    "error": "Произошла ошибка.",
    "forbidden": "На это нет прав.",
    "has_administrator": "Администратор уже есть.",
    "idempotency_in_flight": "Запрос с этим Idempotency-Key ещё выполняется.",
    "idempotency_key_reused": "Этот Idempotency-Key уже использован с другим телом запроса.",
    "bad_idempotency_key": "Idempotency-Key: от 1 до 255 печатных символов.",
    "identity_in_use": "С этого адреса или на него уже писали: отделите его от контакта.",
    "identity_taken": "Этот адрес уже принадлежит другому контакту.",
    "if_match_required": "Для этого действия нужен заголовок If-Match с версией ресурса.",
    "internal": "Внутренняя ошибка. Сообщите request_id, если она повторится.",
    "invalid": "Некоторые поля заполнены неверно.",
    "job_not_done": "Задание ещё не выполнено.",
    "job_over": "Задание уже завершено.",
    "last_administrator": "Последнего администратора нельзя отключить или понизить.",
    "limited_key": "Ключ, ограниченный очередями или ящиками, не создаёт контакты.",
    "link_used": "Ссылка уже использована или устарела.",
    "malformed_json": "Тело запроса — не корректный JSON.",
    "message_deleted": "Это сообщение удалено.",
    "method_not_allowed": "Этот метод здесь не поддерживается.",
    "missing_scope": "У ключа нет нужного права: {scope}.",
    "missing_right": "У вашей роли нет права {scope}.",
    "name_taken": "Такое имя уже занято.",
    "needs_all_queues": "Это могут те, кто видит все обращения.",
    "no_such_calendar": "Такого календаря нет.",
    "no_such_queue": "Такой очереди нет.",
    "no_default_queue": "Очередь по умолчанию нужна всегда: назначьте другую.",
    "not_editable": "Чужие слова не меняют.",
    "not_found": "Не найдено.",
    "not_merged": "Это объединение уже отменено.",
    "not_the_author": "Это может изменить только автор или супервизор.",
    "not_spam": "Обращение не помечено как спам.",
    "only_identity": "Это единственный адрес контакта.",
    "own_address": "Это адрес самой службы поддержки.",
    "queue_archived": "Очередь в архиве.",
    "refused": "Запрос отклонён.",
    "same_contact": "Это один и тот же контакт.",
    "proposal_over": "На это предложение уже ответили, или его отозвали.",
    "secret_request_blocked": "Нельзя просить у клиента пароль, код или данные карты.",
    "stale": "Ресурс изменился с тех пор; текущая версия — в заголовке ETag.",
    "ticket_closed": "Обращение закрыто.",
    "ticket_merged": "Обращение объединено с другим.",
    "ticket_spam": "Обращение помечено как спам.",
    "too_large": "Файл слишком большой.",
    "too_many_requests": "Слишком много запросов. Подождите и повторите.",
    "result_expired": "Результат этого задания удалён: его срок хранения истёк.",
    "too_many_jobs": "Слишком много незавершённых заданий. Дождитесь одного из них или отмените его.",
    "too_many_webhooks": "Больше вебхуков создать нельзя.",
    "transition_not_allowed": "Обращение в статусе «{from}» нельзя перевести в «{to}».",
    "unauthenticated": "Войдите или передайте ключ API.",
    "unavailable": "Часть системы недоступна. Повторите позже.",
    "unknown_parameter": "Неизвестный параметр запроса: {parameter}.",
    "unsupported_encoding": "Сжатые тела запросов не принимаются.",
    "weak_password": "Пароль должен быть не короче 12 символов.",
    "wrong_credentials": "Неверный адрес или пароль.",
}

FIELDS: Mapping[str, tuple[str, str]] = {
    "missing": ("This field is required.", "Это поле обязательно."),
    "unknown_field": ("There is no such field.", "Такого поля нет."),
    "too_short": ("Too short.", "Слишком короткое значение."),
    "too_long": ("Too long.", "Слишком длинное значение."),
    "out_of_range": ("Out of range.", "Вне допустимых пределов."),
    "not_one_of": ("Not one of the allowed values.", "Недопустимое значение."),
    "wrong_type": ("Not of the expected type.", "Неверный тип значения."),
    "not_a_time": ("Expected an RFC 3339 time with an offset.", "Ожидается время RFC 3339 со смещением."),
    "bad_id": ("Not an id of this kind.", "Это не идентификатор нужного вида."),
    "bad_format": ("Not in the expected format.", "Неверный формат."),
    "null": ("This field cannot be removed.", "Это поле нельзя убрать."),
    "unknown": ("Unknown.", "Неизвестное значение."),
    "bad_rule": ("This rule cannot be read.", "Правило не удалось прочитать."),
    "invalid": ("Not valid.", "Неверное значение."),
}


def preferred(accept_language: str | None) -> str:
    """The language of ours that an Accept-Language asks for most (RFC 9110, section 12.5.4); default English."""
    best, weight = "en", 0.0
    for item in (accept_language or "")[:500].split(","):
        tag, _, parameter = item.partition(";")
        language = tag.strip().lower().partition("-")[0]
        quality = _quality(parameter)
        if language in LANGUAGES and quality > weight:
            best, weight = language, quality
    return best


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return min(1.0, float(value))
    except ValueError:
        return 0.0


def title(status: int, language: str) -> str:
    return TITLES.get(status, TITLES[500 if status >= 500 else 400])[language == "ru"]


def detail(code: str, english: str, language: str, values: Mapping[str, object]) -> str:
    """The text of a problem; English as the error says it, Russian by its code."""
    if language != "ru":
        return english
    text = RUSSIAN.get(code)
    if text is None:
        return english
    try:
        return text.format_map(dict(values))
    except KeyError:
        return english


def field(code: str, english: str, language: str) -> str:
    known = FIELDS.get(code)
    return known[language == "ru"] if known and (language == "ru" or not english) else english
