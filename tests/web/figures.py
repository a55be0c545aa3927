"""Functions that a page runs upon itself, to be asked until their answer is right."""

FAR_FROM = """([node, x, y]) => {
    const at = node.getBoundingClientRect()
    return Math.abs(at.x - x) < 1 && Math.abs(at.y - y) < 1 ? [] : [at.x, at.y]
}"""
"""Where a node is, unless it is at `x`, `y`."""

CUT = """() => {
    const wrong = []
    for (const head of document.querySelectorAll('.split section > header')) {
        if (head.scrollWidth > head.clientWidth) wrong.push(`${head.textContent}: cut`)
        if (head.clientHeight > 60) wrong.push(`${head.textContent}: in more than one line`)
    }
    for (const tag of document.querySelectorAll('.split .tag')) {
        const [left, edge] = [tag, tag.parentElement].map(each => each.getBoundingClientRect().left)
        if (left < edge) wrong.push(`${tag.textContent}: left of its bar`)
    }
    return wrong
}"""
"""Heads and labels of the split that are cut."""

BESIDE = """() => {
    const [tag, bar] = ['.tag', '.bar.failed'].map(part => document.querySelector(part).getBoundingClientRect())
    return bar.left <= tag.left && tag.right <= bar.right && tag.width ? [] : [bar.left, tag.left, tag.right, bar.right]
}"""
"""Where the name of an error and its bar are, unless it stands upon the bar."""

WALK = """async () => {
    const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)))
    const chosen = () => document.querySelector('.waterfall [aria-current]')?.dataset.node
    const steps = []
    let changes = 0
    const watch = new MutationObserver(found => { changes += found.length })
    watch.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true })
    for (let i = 0; i < 30; i++) {
        const from = chosen()
        changes = 0
        document.body.dispatchEvent(new KeyboardEvent('keydown', { key: i % 10 === 9 ? 'k' : 'j', bubbles: true }))
        await painted()
        steps.push({ moved: chosen() !== from, changes })
    }
    watch.disconnect()
    return steps
}"""
"""Of thirty keys that walk through the nodes: whether each moved on, and how many changes of the page it took."""

ASKED = """path => performance.getEntriesByType('resource').filter(each => each.name.endsWith(path))
    .map(each => each.startTime)"""
"""When a path was asked for, in milliseconds of the page: its own clock, for nobody may listen meanwhile."""
