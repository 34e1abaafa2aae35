"""Why nothing could be judged, in words for the person at the terminal.

The words of `screentest.screening.reasons` are for operators of the pipeline: their advice is to redrive a queue.
"""

from __future__ import annotations

from screentest.checking.judge import Judgement
from screentest.checking.settings import CheckSettings
from screentest.screening.reasons import Language, Reason, explain

Words = dict[str, tuple[str, str]]

_WORDS: dict[Language, Words] = {
    "en": {
        "malformed": (
            "The URL is not one that can be fetched",
            "Give an http or https address without a user name, on port 80, 443 or one from 1024 on.",
        ),
        "no-host": (
            "There is no host of this name",
            "See whether the address is spelt right and the network is up.",
        ),
        "not-public": (
            "The host has a private address",
            "Add --allow-private-urls if you mean a server of your own network or of this machine.",
        ),
        "refused": (
            "The host refused the connection",
            "See whether a server is running there, on that port.",
        ),
        "untrusted": (
            "The host's certificate is not valid for it",
            "Mend the certificate, or give another address.",
        ),
        "timeout": (
            "The picture did not arrive within ten seconds",
            "Try again, or download it and check the file.",
        ),
        "broken": (
            "The connection broke before the picture was there",
            "Try again, or download it and check the file.",
        ),
        "missing": (
            "There is nothing at this address (404)",
            "See whether the address is complete and still valid.",
        ),
        "forbidden": (
            "The host does not let us read the picture",
            "A signed URL may have expired: make a new one. Otherwise download the picture and check the file.",
        ),
        "status": (
            "The host answered with an error",
            "Try again later, or download the picture and check the file.",
        ),
        "redirects": (
            "The address leads from one to the next without end",
            "Give the address where it should end.",
        ),
        "no-picture": (
            "What is at this address is no JPEG, PNG, BMP or WebP picture",
            "Give the address of the picture itself, not that of a page which shows it.",
        ),
        "Unreadable": (
            "The file could not be opened",
            "See whether the file is there and whether you may read it.",
        ),
        "InvalidApiKey": (
            "The server did not accept the key",
            "Set SCREENTEST_API_KEY to a key that it knows.",
        ),
        "Arrearage": (
            "The account at the server is overdue or not activated",
            "Settle it with the provider.",
        ),
        "AllocationQuota": (
            "The quota at the server is used up",
            "Raise it, or leave --detector out to judge here.",
        ),
        "Throttling": (
            "The server was too busy",
            "Try again with --workers 1, or leave --detector out to judge here.",
        ),
        "AccessDenied": (
            "The server does not let this key use the model",
            "Ask the provider for access to it.",
        ),
        "ModelNotFound": (
            "The server does not know this model",
            "Leave --detector out to judge on this machine.",
        ),
        "InvalidParameter": (
            "The server did not accept the request",
            "Compare --model and --ratio with what it offers.",
        ),
        "InvalidURL": (
            "The server could not fetch a picture at this address",
            "See whether the address is right and that server can reach it; a private one it fetches only with "
            "--allow-private-urls.",
        ),
        "Timeout": ("The server did not answer in time", "See whether it is healthy, then try again."),
        "ConnectionFailed": (
            "There is no connection to the server",
            "See whether it runs at the address of --detector.",
        ),
        "InternalError": (
            "The detector failed on this picture",
            "Please report it. If it is this picture alone, save it anew as a plain JPEG.",
        ),
        "NotUnderstood": (
            "The answer is not one of the detection API",
            "See whether --detector is really the address of one.",
        ),
        "ServiceUnavailable": ("The server was not available", "See whether it is up, then try again."),
    },
    "zh": {
        "malformed": (
            "无法获取这样的网址",
            "请给出不带用户名的 http 或 https 地址，端口为 80、443 或 1024 以上。",
        ),
        "no-host": ("找不到这个主机名", "请检查地址是否拼写正确、网络是否连通。"),
        "not-public": (
            "该主机的地址是内网地址",
            "如果确实是本机或内网的服务器，请加上 --allow-private-urls。",
        ),
        "refused": ("主机拒绝连接", "请检查该端口上是否有服务器在运行。"),
        "untrusted": ("主机的证书对它无效", "请修复证书，或换一个地址。"),
        "timeout": ("图片十秒内没有下载完", "请重试，或先下载图片再检测文件。"),
        "broken": ("图片下载完之前连接中断", "请重试，或先下载图片再检测文件。"),
        "missing": ("该地址上没有内容（404）", "请检查地址是否完整、是否仍然有效。"),
        "forbidden": ("主机不允许读取该图片", "签名网址可能已过期：请重新生成；否则请先下载图片再检测文件。"),
        "status": ("主机返回了错误", "请稍后重试，或先下载图片再检测文件。"),
        "redirects": ("该地址不断跳转，没有终点", "请给出最终的地址。"),
        "no-picture": (
            "该地址上的内容不是 JPEG、PNG、BMP 或 WebP 图片",
            "请给出图片本身的地址，而不是展示它的网页的地址。",
        ),
        "Unreadable": ("无法打开文件", "请检查文件是否存在、您是否有读取权限。"),
        "InvalidApiKey": ("服务器不接受该密钥", "请把 SCREENTEST_API_KEY 设为它认可的密钥。"),
        "Arrearage": ("服务器上的账户欠费或未开通", "请与服务商结清。"),
        "AllocationQuota": ("服务器上的额度已用完", "请提高额度，或去掉 --detector 在本机检测。"),
        "Throttling": ("服务器太忙", "请用 --workers 1 重试，或去掉 --detector 在本机检测。"),
        "AccessDenied": ("服务器不允许该密钥使用此模型", "请向服务商申请权限。"),
        "ModelNotFound": ("服务器不认识该模型", "去掉 --detector 即可在本机检测。"),
        "InvalidParameter": ("服务器不接受该请求", "请核对 --model 和 --ratio 是否是它支持的。"),
        "InvalidURL": (
            "服务器无法从该地址获取图片",
            "请检查地址是否正确、该服务器能否访问；内网地址需要在启动它时加上 --allow-private-urls。",
        ),
        "Timeout": ("服务器没有及时回答", "请检查它是否正常，然后重试。"),
        "ConnectionFailed": ("无法连接服务器", "请检查 --detector 的地址上是否有服务器在运行。"),
        "InternalError": (
            "检测器处理该图片时出错",
            "请报告此问题。如果只有这一张图片如此，请另存为普通 JPEG。",
        ),
        "NotUnderstood": ("回答不符合检测 API", "请检查 --detector 是否确实是检测 API 的地址。"),
        "ServiceUnavailable": ("服务器不可用", "请检查它是否在运行，然后重试。"),
    },
    "ja": {
        "malformed": (
            "取得できない URL です",
            "ユーザー名を含まず、ポートが 80、443 または 1024 以上の http か https のアドレスを指定してください。",
        ),
        "no-host": ("この名前のホストはありません", "アドレスの綴りとネットワークを確認してください。"),
        "not-public": (
            "ホストのアドレスが非公開です",
            "このコンピューターや社内のサーバーでよければ --allow-private-urls を付けてください。",
        ),
        "refused": ("ホストが接続を拒否しました", "そのポートでサーバーが動いているか確認してください。"),
        "untrusted": (
            "ホストの証明書が有効ではありません",
            "証明書を直すか、別のアドレスを指定してください。",
        ),
        "timeout": (
            "画像が 10 秒以内に届きませんでした",
            "もう一度試すか、保存したファイルを判定してください。",
        ),
        "broken": ("画像が届く前に接続が切れました", "もう一度試すか、保存したファイルを判定してください。"),
        "missing": (
            "このアドレスには何もありません（404）",
            "アドレスが完全で、まだ有効か確認してください。",
        ),
        "forbidden": (
            "ホストが画像の読み取りを許可していません",
            "署名付き URL の期限切れかもしれません。作り直すか、保存したファイルを判定してください。",
        ),
        "status": ("ホストがエラーを返しました", "後でもう一度試すか、保存したファイルを判定してください。"),
        "redirects": ("アドレスの転送が終わりません", "最後にたどり着くアドレスを指定してください。"),
        "no-picture": (
            "このアドレスにあるのは JPEG、PNG、BMP、WebP の画像ではありません",
            "画像を表示するページではなく、画像そのもののアドレスを指定してください。",
        ),
        "Unreadable": ("ファイルを開けません", "ファイルの有無と読み取り権限を確認してください。"),
        "InvalidApiKey": (
            "サーバーがキーを受け付けません",
            "SCREENTEST_API_KEY に有効なキーを設定してください。",
        ),
        "Arrearage": ("サーバーのアカウントが未払いか未開通です", "提供元に確認してください。"),
        "AllocationQuota": (
            "サーバーの割り当てを使い切りました",
            "増やすか、--detector を外してここで判定してください。",
        ),
        "Throttling": (
            "サーバーが混み合っています",
            "--workers 1 で試すか、--detector を外してここで判定してください。",
        ),
        "AccessDenied": ("このキーではモデルを使えません", "提供元に利用を申請してください。"),
        "ModelNotFound": (
            "サーバーはこのモデルを知りません",
            "--detector を外せばこのコンピューターで判定できます。",
        ),
        "InvalidParameter": (
            "サーバーが要求を受け付けません",
            "--model と --ratio が対応しているか確認してください。",
        ),
        "InvalidURL": (
            "サーバーがこのアドレスから画像を取得できませんでした",
            "アドレスが正しく、サーバーから届くか確認してください。"
            "非公開のアドレスには、サーバー側の --allow-private-urls が必要です。",
        ),
        "Timeout": (
            "サーバーが時間内に答えませんでした",
            "サーバーの状態を確認して、もう一度試してください。",
        ),
        "ConnectionFailed": (
            "サーバーに接続できません",
            "--detector のアドレスで動いているか確認してください。",
        ),
        "InternalError": (
            "検出器がこの画像で失敗しました",
            "報告をお願いします。この画像だけなら、普通の JPEG として保存し直してください。",
        ),
        "NotUnderstood": (
            "検出 API の答えではありません",
            "--detector が検出 API のアドレスか確認してください。",
        ),
        "ServiceUnavailable": ("サーバーが利用できません", "動いているか確認して、もう一度試してください。"),
    },
}

_SAME = {
    "GatewayTimeout": "Timeout",
    "RequestTimeOut": "Timeout",
    "NotJSON": "NotUnderstood",
    "LimitRequests": "Throttling",
    "CommodityNotPurchased": "Arrearage",
    "Throttling.AllocationQuota": "AllocationQuota",
}


def reason(verdict: str, code: str | None, model: str, lang: Language, *, ratio: str | None) -> Reason:
    """Title and advice for a verdict: an error's for who checks pictures, a rejection's as everywhere.

    Args:
        code: of the verdict, or the cause of an error (`Cause`).
    """
    words = _WORDS[lang]
    name = code or ""
    while verdict == "error" and name:
        found = words.get(_SAME.get(name, name))
        if found:
            return Reason(*found)
        name = name.rpartition(".")[0]
    return explain(code, model, lang, ratio=ratio)


def reason_of(judgement: Judgement, settings: CheckSettings) -> Reason:
    """Title and advice for what became of a picture. Where a profile has words of its own, they are the advice."""
    code = judgement.code
    name = judgement.cause or code if judgement.verdict == "error" else code
    usual = reason(judgement.verdict, name, settings.model, settings.lang or "en", ratio=settings.shown_ratio)
    own = settings.own_message(code) if judgement.verdict == "reject" and code else None
    return usual if own is None else Reason(usual.title, own)
