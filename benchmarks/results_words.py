# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001 -- the punctuation of Chinese
"""The words of the table of results in Traditional Chinese; figures and names stay as they are."""

from __future__ import annotations

__all__ = ["ZH_TW", "translated"]

ZH_TW = {
    "| what | found | command |": "| 項目 | 結果 | 指令 |",
    ": policy": "：策略",
    ": script": "：腳本",
    ": PD": "：PD",
    ": adaptive control": "：自適應控制",
    "time to success": "成功所需時間",
    "final error": "最終誤差",
    "ore in 30 days, ferry of 20 robots at Ryugu": "30 天的礦石量，龍宮上 20 台機器人的擺渡",
    "ore processed in 30 days, 1,000 robots at Ryugu, on assumed plant and service times":
        "30 天處理的礦石，龍宮上 1,000 台機器人，工廠與服務時間為假設",
    "water won in 30 days, 1,000 robots at Ryugu, on assumed plant and service times":
        "30 天取得的水，龍宮上 1,000 台機器人，工廠與服務時間為假設",
    "chance and belief about skills, ": "機遇與對技能的信念，",
    " months: ": " 個月：",
    "mean of ": "平均，共 ",
    " months, ": " 個月，",
    "dig in sealed stand-in soils of another law, tier ": "dig，定律不同、未曾用於調整的替身土壤，等級 ",
    ", worlds filled in most of ": "，多數回合裝滿的世界（每個世界 ",
    " episodes, and mean time of all: policy told default physics; told the prior; told what a 2-minute flight says; "
    "the program that taught it, told the prior; told the same":
        " 回合），與全部的平均時間：被告知預設物理的策略；只被告知先驗；被告知一次 2 分鐘飛行的結果；"
        "教它的程式，只被告知先驗；被告知同樣的結果",
    " stand-in flights: 90 % intervals that hold the truth": " 次替身飛行：90 % 區間含有真值的比例",
    "exactly calibrated beliefs: ": "完全校準的信念：",
    "docking error of the policy in the true world, before and after one flight":
        "策略在真實世界中的對接誤差，一次飛行之前與之後",
    "no worse in ": "沒有變差：",
    "one fit of a 5-minute log": "擬合一份 5 分鐘的紀錄",
    "longest ": "最長 ",
    "fused kernel over MuJoCo path": "融合核心相對於 MuJoCo 路徑",
    " (soil at micro-g is extrapolation)": "（微重力下的土壤屬於外推）",
    "values of cases in their bands (a control without soil misses its own, as it must); exact solutions; sizes and "
    "gravity of bodies; events and laws":
        "案例中落在範圍內的值（沒有土壤的對照案例如預期落在範圍外）；精確解；天體的大小與重力；事件與定律",
    " % of ": " %，共 ",
    " to ": " 至 ",
    " of ": " / ",
    "seconds of learning until docking succeeds in 95 %, 3 seeds: ": "對接成功率達 95 % 所需的學習秒數，3 個種子：",
    "stable-baselines3 on Gymnasium worlds; ": "stable-baselines3 用 Gymnasium 世界；",
    "stable-baselines3 on stope's batch; ": "stable-baselines3 用 stope 的批次；",
    "times faster": "快幾倍",
    "over ": "超過 ",
    "at least ": "至少 ",
    "on the same batch ": "在同一批次上 ",
    "(median)": "（中位數）",
}  # fmt: skip
"""A phrase of the English table and what stands for it."""


def translated(table: str) -> str:
    """The table in Traditional Chinese; longer phrases first, so that none is cut by a shorter one."""
    for phrase in sorted(ZH_TW, key=len, reverse=True):
        table = table.replace(phrase, ZH_TW[phrase])
    return table
